#include <bit>
#include <cmath>

#include "ashlar/kernels/split_rows/split_rows_forms.h"

namespace ashlar {
namespace {

// The next part of `left`, which loses it.
std::uint32_t TakePart(float& left) {
  const auto bits = std::bit_cast<std::uint32_t>(left);
  if (!std::isfinite(left)) {
    const std::uint32_t quiet = std::isnan(left) ? 0x40 : 0;
    left = 0;
    return bits >> 16 | quiet;
  }
  left -= std::bit_cast<float>(bits & 0xffff0000);
  return bits >> 16;
}

}  // namespace

void SplitRowsReference(const float* x, std::int64_t x_stride, std::int64_t rows,
                        std::int64_t columns, std::int64_t tile_begin, std::int64_t tile_end,
                        const SplitRows& out) noexcept {
  const std::int64_t blocks = (columns + kSplitInputs - 1) / kSplitInputs;
  for (std::int64_t row = tile_begin * out.tile_rows; row < tile_end * out.tile_rows; ++row) {
    for (std::int64_t k = 0; k < blocks * kSplitInputs; ++k) {
      float left = row < rows && k < columns ? x[row * x_stride + k] : 0;
      const std::int64_t block = row / out.tile_rows * out.blocks + k / kSplitInputs;
      for (int part = 0; part < kSplitParts; ++part) {
        const std::int64_t pair =
            (block * kSplitParts + part) * (kSplitInputs / 2) + k % kSplitInputs / 2;
        std::uint32_t& stored = out.pairs[pair * out.tile_rows + row % out.tile_rows];
        stored = k % 2 == 0 ? TakePart(left) : stored | TakePart(left) << 16;
      }
    }
  }
}

}  // namespace ashlar
