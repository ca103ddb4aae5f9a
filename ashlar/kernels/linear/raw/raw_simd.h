// The body of the raw kernels, for any instruction set and element type.
//
// Order of the sum, the same in every block shape: lane l of one register sums, by fma from k = l
// up, the products of every k with k % kLanes == l (the tail's missing lanes are zeros); then
// SumLanes adds the lanes as a tree.
//
// A block is kRows rows x kOutputs outputs, one register each, so a weight that was loaded (and
// widened) serves kRows rows and an activation kOutputs outputs. Rows of weights are too short for
// the processor to foresee: while a block is computed, the next one's are asked for (1.2 to 1.4
// times as fast, at 1 to 16 rows of 512 to 1536 inputs from memory). `Weights` is one instruction
// set reading one element type:
//
//   F32                       the vocabulary of kernels/simd
//   Element                   as stored
//   kMaxRows, kOutputs        of the largest block
//   Load(p)                   kLanes elements, widened; any alignment
//   LoadFirst(p, n)           n < kLanes elements, then zeros; reads no more
#pragma once

#include <cstddef>
#include <cstdint>

#include "ashlar/kernels/linear/linear_args.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::internal {

template <class Weights, int kRows, int kOutputs>
void RawBlock(const LinearArgs& args, std::int64_t row, std::int64_t output) {
  using F32 = typename Weights::F32;
  using Element = typename Weights::Element;
  constexpr std::int64_t kLineElements = 64 / sizeof(Element);
  const float* x[kRows];
  const Element* w[kOutputs];
  F32 sums[kRows][kOutputs];
  ASHLAR_UNROLL
  for (int r = 0; r < kRows; ++r) {
    x[r] = args.x + (row + r) * args.x_stride;
    ASHLAR_UNROLL
    for (int o = 0; o < kOutputs; ++o) {
      sums[r][o] = F32::Zero();
    }
  }
  ASHLAR_UNROLL
  for (int o = 0; o < kOutputs; ++o) {
    w[o] = reinterpret_cast<const Element*>(args.weights + static_cast<std::uint64_t>(output + o) *
                                                               args.band_stride);
  }
  const auto add = [&](const auto& load_x, const auto& load_w) {
    F32 xs[kRows];
    ASHLAR_UNROLL
    for (int r = 0; r < kRows; ++r) {
      xs[r] = load_x(x[r]);
    }
    ASHLAR_UNROLL
    for (int o = 0; o < kOutputs; ++o) {
      const F32 ws = load_w(w[o]);
      ASHLAR_UNROLL
      for (int r = 0; r < kRows; ++r) {
        sums[r][o] = MulAdd(ws, xs[r], sums[r][o]);
      }
    }
  };
  std::int64_t k = 0;
  for (; k + F32::kLanes <= args.inputs; k += F32::kLanes) {
    if (k % kLineElements == 0) {  // of the next block
      ASHLAR_UNROLL
      for (int o = 0; o < kOutputs; ++o) {
        F32::Prefetch(reinterpret_cast<const std::byte*>(w[o] + k) + kOutputs * args.band_stride);
      }
    }
    add([k](const float* p) { return F32::Load(p + k); },
        [k](const Element* p) { return Weights::Load(p + k); });
  }
  if (const std::int64_t left = args.inputs - k; left > 0) {
    add([k, left](const float* p) { return F32::LoadFirst(p + k, left, F32::Zero()); },
        [k, left](const Element* p) { return Weights::LoadFirst(p + k, left); });
  }
  ASHLAR_UNROLL
  for (int r = 0; r < kRows; ++r) {
    ASHLAR_UNROLL
    for (int o = 0; o < kOutputs; ++o) {
      args.y[(row + r) * args.y_stride + output + o] = SumLanes(sums[r][o]);
    }
  }
}

// Outputs [begin, end) for kRows rows, or for `rows` <= kRows of them.
template <class Weights, int kRows>
void RawRows(const LinearArgs& args, std::int64_t row, std::int64_t rows, std::int64_t begin,
             std::int64_t end) {
  if constexpr (kRows > 1) {
    if (rows < kRows) {
      return RawRows<Weights, kRows - 1>(args, row, rows, begin, end);
    }
  }
  std::int64_t output = begin;
  for (; output + Weights::kOutputs <= end; output += Weights::kOutputs) {
    RawBlock<Weights, kRows, Weights::kOutputs>(args, row, output);
  }
  for (; output < end; ++output) {
    RawBlock<Weights, kRows, 1>(args, row, output);
  }
}

// Outputs are taken in panels of at most 512 KB of weights, which stay in the second-level cache
// while all rows pass over them, and are read from memory once.
template <class Weights>
void RawLinear(const LinearArgs& args) {
  constexpr std::int64_t kPanelBytes = 512 << 10;
  const std::int64_t block_bytes = Weights::kOutputs * args.inputs *
                                   static_cast<std::int64_t>(sizeof(typename Weights::Element));
  const std::int64_t blocks = kPanelBytes / block_bytes;
  const std::int64_t panel = Weights::kOutputs * (blocks > 0 ? blocks : 1);
  for (std::int64_t begin = args.output_begin; begin < args.output_end; begin += panel) {
    const std::int64_t end = begin + panel < args.output_end ? begin + panel : args.output_end;
    for (std::int64_t row = 0; row < args.rows; row += Weights::kMaxRows) {
      RawRows<Weights, Weights::kMaxRows>(args, row, args.rows - row, begin, end);
    }
  }
}

}  // namespace ashlar::internal
