#include "ashlar/formats/internal/mxfp4_source.h"

#include <algorithm>

#include "ashlar/base/join.h"
#include "ashlar/codec/gguf/block_type.h"
#include "ashlar/codec/gguf/block_types.h"
#include "ashlar/codec/gguf/gguf.h"

namespace ashlar::internal {
namespace {

constexpr std::int64_t kGroup = 32;      // inputs of one exponent
constexpr std::int64_t kCodeBytes = 16;  // of their codes

Status CheckBytes(const SafetensorsEntry& entry, std::span<const std::int64_t> shape) {
  if (!std::ranges::equal(entry.shape, shape)) {
    return Invalid("tensor \"{}\" has shape [{}], but config.json makes it [{}]", entry.name,
                   Join(entry.shape, ", "), Join(shape, ", "));
  }
  if (entry.dtype != "U8") {
    return Unsupported("tensor \"{}\" is {}; of a matrix in MXFP4 it must be U8", entry.name,
                       entry.dtype);
  }
  return {};
}

// The codes of 32 inputs as GGUF's blocks have them: inputs i and i + 16 in byte i.
void Reorder(const std::byte* codes, std::byte* out) {
  const auto code = [&](std::int64_t input) {
    const std::byte both = codes[input / 2];
    return input % 2 == 0 ? both & std::byte{15} : both >> 4;
  };
  for (std::int64_t i = 0; i < kCodeBytes; ++i) {
    out[i] = code(i) | code(i + kCodeBytes) << 4;
  }
}

// The way back: inputs 2i and 2i + 1 in byte i.
void OrderBack(const std::byte* codes, std::byte* out) {
  const auto code = [&](std::int64_t input) {
    const std::byte both = codes[input % kCodeBytes];
    return input < kCodeBytes ? both & std::byte{15} : both >> 4;
  };
  for (std::int64_t i = 0; i < kCodeBytes; ++i) {
    out[i] = code(2 * i) | code(2 * i + 1) << 4;
  }
}

}  // namespace

std::string Mxfp4BlocksName(std::string_view tensor) {
  return fmt::format("{}_blocks", tensor);
}
std::string Mxfp4ScalesName(std::string_view tensor) {
  return fmt::format("{}_scales", tensor);
}

Result<Mxfp4Source> FindMxfp4(const TensorPlace& place, const TensorSpec& spec,
                              const SafetensorsEntry& blocks, const SafetensorsEntry& scales) {
  if (const auto bytes = PackedBytes(kMxfp4, spec.shape); !bytes.ok()) {
    return bytes.error().In(fmt::format("tensor \"{}\"", blocks.name));
  }
  const std::vector<std::int64_t> plain = CheckpointShape(place, spec);
  ASHLAR_TRY(CheckBytes(scales, Mxfp4Shape(place, plain, Mxfp4Part::kScales)));
  ASHLAR_TRY(CheckBytes(blocks, Mxfp4Shape(place, plain, Mxfp4Part::kBlocks)));
  const auto matrix = [&](std::span<const std::byte> stack) {
    const std::size_t bytes =
        stack.size() / static_cast<std::size_t>(std::max<std::int64_t>(place.stack, 1));
    return stack.subspan(static_cast<std::size_t>(place.index) * bytes, bytes);
  };
  return Mxfp4Source{place, matrix(blocks.bytes), matrix(scales.bytes)};
}

std::span<const std::byte> Mxfp4Source::Pack(std::vector<std::byte>& buffer) const {
  const BlockType& type = kMxfp4Blocks;
  const std::int64_t rows = place.groups * place.count;
  const std::int64_t groups = place.columns / kGroup;  // of a row
  const auto row_bytes = static_cast<std::size_t>(groups * type.bytes);
  const std::uint64_t band_bytes = kMxfp4.band_bytes(place.columns);
  const std::int64_t bands = (rows + type.rows - 1) / type.rows;
  std::vector<std::byte> band(static_cast<std::size_t>(type.rows) * row_bytes);
  buffer.resize(static_cast<std::size_t>(bands) * band_bytes);
  for (std::int64_t first = 0; first < rows; first += type.rows) {
    const std::int64_t count = std::min<std::int64_t>(rows - first, type.rows);
    for (std::int64_t i = 0; i < count * groups; ++i) {
      const std::int64_t there = place.RowThere(first + i / groups) * groups + i % groups;
      std::byte* const block = band.data() + i * type.bytes;
      *block = scales[static_cast<std::size_t>(there)];
      Reorder(blocks.data() + there * kCodeBytes, block + 1);
    }
    PackBlocks(type, band.data(), count, place.columns,
               buffer.data() + static_cast<std::size_t>(first / type.rows) * band_bytes);
  }
  return buffer;
}

std::vector<std::int64_t> Mxfp4Shape(const TensorPlace& place, std::vector<std::int64_t> shape,
                                     Mxfp4Part part) {
  if (place.transposed) {
    std::iter_swap(shape.end() - 2, shape.end() - 1);
  }
  shape.back() /= kGroup;
  if (part == Mxfp4Part::kBlocks) {
    shape.push_back(kCodeBytes);
  }
  return shape;
}

void UnpackMxfp4(const TensorPlace& place, std::span<const std::byte> packed,
                 std::int64_t stored_columns, Mxfp4Part part, std::span<std::byte> out) {
  const BlockType& type = kMxfp4Blocks;
  const std::int64_t groups = place.columns / kGroup;
  std::vector<std::byte> blocks(static_cast<std::size_t>(groups * type.bytes));
  for (std::int64_t row = 0; row < place.groups * place.count; ++row) {
    UnpackBlocks(type, packed.data(), stored_columns, row, place.columns, blocks.data());
    const std::int64_t there = (place.index * place.rows + place.RowThere(row)) * groups;
    for (std::int64_t group = 0; group < groups; ++group) {
      const std::byte* const block = blocks.data() + group * type.bytes;
      if (part == Mxfp4Part::kScales) {
        out[static_cast<std::size_t>(there + group)] = *block;
      } else {
        OrderBack(block + 1, out.data() + (there + group) * kCodeBytes);
      }
    }
  }
}

}  // namespace ashlar::internal
