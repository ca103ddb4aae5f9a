// Bytes from outside, taken as a packed matrix of any codec and shape: PackedBytes never
// overflows, check never reads out of bounds, and what it accepts decodes to finite numbers.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "ashlar/codec/codec.h"

namespace {

using namespace ashlar;

// Whether the codec's check has nothing against the bytes, of each level on its own.
bool Accepted(const Codec& codec, const Shape& shape, std::span<const std::byte> packed) {
  const std::int64_t columns = shape[shape.rank() - 1];
  const std::int64_t rows = shape.elements() / columns;
  if (codec.residual == nullptr) {
    return codec.check != nullptr && codec.check(packed, rows, columns).ok();
  }
  bool accepted = true;
  for (int level = 0; level < codec.levels(); ++level) {
    const std::uint64_t bytes = *LevelBytes(codec, shape, level);
    accepted = codec.residual->check(level, packed.first(bytes), rows, columns).ok() && accepted;
    packed = packed.subspan(bytes);
  }
  return accepted;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A header of the fuzzer's own: codec, rank and dimensions.
  std::int64_t dims[Shape::kMaxRank + 1];
  if (size < 2 + sizeof dims) {
    return 0;
  }
  const Codec& codec = *AllCodecs()[data[0] % AllCodecs().size()];
  const std::size_t rank = data[1] % (Shape::kMaxRank + 2);
  std::memcpy(dims, data + 2, sizeof dims);
  if (data[1] < 0x80) {  // mostly shapes of a few tiles
    for (std::int64_t& dim : dims) {
      dim &= 0xff;
    }
  }
  data += 2 + sizeof dims;
  size -= 2 + sizeof dims;

  const Result<Shape> shape = Shape::Make({dims, rank});
  if (!shape.ok()) {
    return 0;
  }
  const Result<std::uint64_t> bytes = PackedBytes(codec, *shape);
  if (!bytes.ok() || *bytes > (1u << 16)) {
    return 0;
  }
  // Exactly as many bytes as the shape takes, so that a sanitizer sees one too many.
  std::vector<std::byte> packed(*bytes);
  std::memcpy(packed.data(), data, std::min<std::size_t>(size, packed.size()));
  std::vector<float> values(static_cast<std::size_t>(shape->elements()));
  DecodeTensor(codec, *shape, packed, values.data());
  if (Accepted(codec, *shape, packed)) {
    for (const float value : values) {
      CHECK(std::isfinite(value));
    }
  }
  return 0;
}
