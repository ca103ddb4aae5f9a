#include <algorithm>

#include "ashlar/codec/gguf/block_type.h"
#include "ashlar/kernels/linear/gguf/blocks_forms.h"

namespace ashlar {
namespace {

// y[m, n] = sum_k w[n, k] x(m, k), in double from k = 0 up; some rows at a time, so that a block is
// decoded once for all of them.
template <class X>
void SumBlocks(const BlockType& type, const LinearArgs& args, const X& x) {
  constexpr std::int64_t kRows = 64;
  for (std::int64_t n = args.output_begin; n < args.output_end; ++n) {
    const std::byte* const band =
        args.weights + static_cast<std::uint64_t>(n / type.rows) * args.band_stride;
    for (std::int64_t first = 0; first < args.rows; first += kRows) {
      const std::int64_t rows = std::min(kRows, args.rows - first);
      double sums[kRows] = {};
      for (std::int64_t k = 0; k < args.inputs; k += type.columns) {
        float w[BlockType::kMaxColumns];
        DecodeBlock(type, band + k / type.columns * type.tile_bytes(),
                    static_cast<int>(n % type.rows), w);
        for (std::int64_t m = 0; m < rows; ++m) {
          for (int i = 0; i < type.columns; ++i) {
            sums[m] += static_cast<double>(w[i]) * x(first + m, k + i);
          }
        }
      }
      for (std::int64_t m = 0; m < rows; ++m) {
        args.y[(first + m) * args.y_stride + n] = static_cast<float>(sums[m]);
      }
    }
  }
}

}  // namespace

template <const BlockType& kType>
void LinearTilesReference(const LinearArgs& args) noexcept {
  const QuantizedRows& x = args.x_quantized;
  SumBlocks(kType, args, [&x](std::int64_t m, std::int64_t k) {
    return static_cast<double>(x.q[m * x.stride_groups * kGroup + k]) *
           x.scale[k / kGroup * x.stride_rows + m];
  });
}

template <const BlockType& kType>
void LinearRowsReference(const LinearArgs& args) noexcept {
  SumBlocks(kType, args, [&args](std::int64_t m, std::int64_t k) {
    return static_cast<double>(args.x[m * args.x_stride + k]);
  });
}

template void LinearTilesReference<kQ4_1Blocks>(const LinearArgs&) noexcept;
template void LinearTilesReference<kQ5_0Blocks>(const LinearArgs&) noexcept;
template void LinearTilesReference<kQ5_1Blocks>(const LinearArgs&) noexcept;
template void LinearTilesReference<kQ2KBlocks>(const LinearArgs&) noexcept;
template void LinearTilesReference<kQ3KBlocks>(const LinearArgs&) noexcept;
template void LinearTilesReference<kQ4KBlocks>(const LinearArgs&) noexcept;
template void LinearTilesReference<kQ5KBlocks>(const LinearArgs&) noexcept;
template void LinearTilesReference<kQ6KBlocks>(const LinearArgs&) noexcept;
template void LinearTilesReference<kIq4NlBlocks>(const LinearArgs&) noexcept;
template void LinearTilesReference<kIq4XsBlocks>(const LinearArgs&) noexcept;
template void LinearTilesReference<kMxfp4Blocks>(const LinearArgs&) noexcept;

template void LinearRowsReference<kIq2XxsBlocks>(const LinearArgs&) noexcept;
template void LinearRowsReference<kIq2XsBlocks>(const LinearArgs&) noexcept;
template void LinearRowsReference<kIq2SBlocks>(const LinearArgs&) noexcept;
template void LinearRowsReference<kIq3XxsBlocks>(const LinearArgs&) noexcept;
template void LinearRowsReference<kIq3SBlocks>(const LinearArgs&) noexcept;
template void LinearRowsReference<kIq1SBlocks>(const LinearArgs&) noexcept;
template void LinearRowsReference<kIq1MBlocks>(const LinearArgs&) noexcept;
template void LinearRowsReference<kTq1Blocks>(const LinearArgs&) noexcept;
template void LinearRowsReference<kTq2Blocks>(const LinearArgs&) noexcept;

}  // namespace ashlar
