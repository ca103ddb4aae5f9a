// The body of the kernels on types that are decoded by rows, for any instruction set.
//
//   y[m, n] = sum_b dot(w[n, block b], x[m, block b])
//
// A block is decoded to f32 once for all rows of x. Order of the sum, whatever the number of rows:
// a block's dot goes through four registers, vector i of the block to register i % 4, by fma; then
// (0 + 1) + (2 + 3) and the lanes' tree; the blocks are added from b = 0 up.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ashlar/codec/gguf/block_type.h"
#include "ashlar/kernels/linear/linear_args.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::internal {

template <class F32>
float DotOfBlock(const float* w, const float* x, int columns) {
  F32 sums[4] = {F32::Zero(), F32::Zero(), F32::Zero(), F32::Zero()};
  for (int k = 0; k < columns; k += 4 * F32::kLanes) {
    ASHLAR_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int at = k + i * F32::kLanes;
      sums[i] = MulAdd(F32::Load(w + at), F32::Load(x + at), sums[i]);
    }
  }
  return SumLanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

template <class F32>
void LinearOfRows(const BlockType& type, const LinearArgs& args) {
  static_assert(BlockType::kMaxColumns % (4 * F32::kLanes) == 0);
  alignas(64) float w[BlockType::kMaxColumns];
  for (std::int64_t n = args.output_begin; n < args.output_end && args.rows > 0; ++n) {
    const std::byte* block = args.weights + static_cast<std::uint64_t>(n) * args.band_stride;
    for (std::int64_t k = 0; k < args.inputs; k += type.columns, block += type.bytes) {
      type.decode(block, w);
      for (std::int64_t m = 0; m < args.rows; ++m) {
        float& y = args.y[m * args.y_stride + n];
        y = (k == 0 ? 0.0f : y) + DotOfBlock<F32>(w, args.x + m * args.x_stride + k, type.columns);
      }
    }
  }
}

}  // namespace ashlar::internal
