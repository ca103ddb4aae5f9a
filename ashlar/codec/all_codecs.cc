#include <string>
#include <vector>

#include "ashlar/base/checked.h"
#include "ashlar/base/join.h"
#include "ashlar/codec/bitplane/bitplane.h"
#include "ashlar/codec/bitstack/bitstack.h"
#include "ashlar/codec/codec.h"
#include "ashlar/codec/gguf/gguf.h"
#include "ashlar/codec/q4/q4.h"
#include "ashlar/codec/q8/q8.h"
#include "ashlar/codec/raw/raw.h"

namespace ashlar {
namespace {

// The list: a new codec is a folder and a line here.
constexpr const Codec* kAll[] = {
    &kRawF32, &kRawF16, &kRawBF16, &kQ8,   &kQ4,    &kQ4_1,  &kQ5_0,  &kQ5_1,     &kQ2K,
    &kQ3K,    &kQ4K,    &kQ5K,     &kQ6K,  &kIq4Nl, &kIq4Xs, &kMxfp4, &kIq2Xxs,   &kIq2Xs,
    &kIq2S,   &kIq3Xxs, &kIq3S,    &kIq1S, &kIq1M,  &kTq1,   &kTq2,   &kBitplane, &kBitstack,
};

const Codec* Named(std::string_view name) {
  for (const Codec* codec : kAll) {
    if (codec->name == name || codec->short_name == name) {
      return codec;
    }
  }
  return nullptr;
}

template <class Which>
std::string NamesOf(const Which& which) {
  std::vector<std::string_view> names;
  for (const Codec* codec : kAll) {
    if (which(*codec)) {
      names.push_back(codec->name);
    }
  }
  return Join(names, ", ");
}

// What a tensor of a checked shape is to a codec.
struct Matrix {
  std::int64_t rows;
  std::int64_t columns;
};
Matrix MatrixOf(const Shape& shape) {
  return shape.rank() == 1 ? Matrix{1, shape[0]} : Matrix{shape[0], shape[1]};
}

}  // namespace

std::span<const Codec* const> AllCodecs() {
  return kAll;
}

Result<const Codec*> FindCodec(std::string_view name) {
  if (const Codec* codec = Named(name)) {
    return codec;
  }
  return Unsupported("unknown codec \"{}\"; the known ones are {}", name,
                     NamesOf([](const Codec&) { return true; }));
}

Result<const Codec*> FindEncodingCodec(std::string_view name) {
  const Codec* codec = Named(name);
  if (codec != nullptr && codec->encode != nullptr) {
    return codec;
  }
  if (codec != nullptr && codec->residual != nullptr) {
    return Unsupported("`ashlar shrink` writes tensors in codec \"{}\", level by level", name);
  }
  return Unsupported("{} \"{}\"; numbers can be encoded in {}",
                     codec == nullptr ? "unknown codec" : "tensors come out of files only in codec",
                     name, NamesOf([](const Codec& known) { return known.encode != nullptr; }));
}

Result<std::uint64_t> LevelBytes(const Codec& codec, const Shape& shape, int level) {
  if (shape.rank() != 1 && shape.rank() != 2) {
    return Invalid("codec {} holds matrices, and the shape {} has rank {}", codec.name,
                   shape.ToString(), shape.rank());
  }
  if (shape.rank() == 1 && !codec.vectors) {
    return Invalid("codec {} holds matrices only, and the shape {} has rank 1", codec.name,
                   shape.ToString());
  }
  const auto [rows, columns] = MatrixOf(shape);
  if (columns % codec.column_unit != 0) {
    return Invalid("codec {} packs columns by {}, and the shape {} has {} of them", codec.name,
                   codec.column_unit, shape.ToString(), columns);
  }
  const Residual* residual = codec.residual;
  const std::uint64_t header =
      residual == nullptr ? 0 : residual->header_bytes(level, rows, columns);
  const std::uint64_t band =
      residual == nullptr ? codec.band_bytes(columns) : residual->band_bytes(level, columns);
  const std::uint64_t bands = static_cast<std::uint64_t>((rows - 1) / codec.row_unit + 1);
  std::optional<std::uint64_t> bytes = CheckedMul(bands, band);
  if (bytes) {
    bytes = CheckedAdd(*bytes, header);
  }
  if (!bytes) {
    return Invalid("a tensor of shape {} in codec {} has more bytes than 64 bits can count",
                   shape.ToString(), codec.name);
  }
  return *bytes;
}

Result<std::uint64_t> PackedBytes(const Codec& codec, const Shape& shape) {
  std::uint64_t sum = 0;
  for (int level = 0; level < codec.levels(); ++level) {
    ASHLAR_TRY(const std::uint64_t bytes, LevelBytes(codec, shape, level));
    const std::optional<std::uint64_t> more = CheckedAdd(sum, bytes);
    if (!more) {
      return Invalid("a tensor of shape {} in codec {} has more bytes than 64 bits can count",
                     shape.ToString(), codec.name);
    }
    sum = *more;
  }
  return sum;
}

void DecodeTensor(const Codec& codec, const Shape& shape, std::span<const std::byte> packed,
                  float* values) {
  const Result<std::uint64_t> bytes = PackedBytes(codec, shape);
  CHECK(bytes.ok());
  CHECK_EQ(packed.size(), *bytes);
  const auto [rows, columns] = MatrixOf(shape);
  if (codec.residual == nullptr) {
    codec.decode(packed.data(), columns, 0, rows, values);
    return;
  }
  std::vector<const std::byte*> levels;
  for (int level = 0; level < codec.levels(); ++level) {
    levels.push_back(packed.data());
    packed = packed.subspan(*LevelBytes(codec, shape, level));
  }
  codec.residual->decode(levels, rows, columns, 0, rows, values);
}

}  // namespace ashlar
