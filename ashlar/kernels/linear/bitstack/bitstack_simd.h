// The body of the bitstack kernels, for any instruction set.
//
//   y[m, n] = sum_k x[m, k] w[n, k]
//   w[n, k] = scale[k] * sum_l sign_l[n, k] * sum_r U_l[n, r] V_l[k, r]
//
// Order of the sums: of a weight, r from 0 up in each level (the first a product, then fused), then
// levels from 0 up; of an output, inputs from 0 up, fused, from y = 0. The same in every block.
//
// 32 outputs x 32 inputs of w at a time are rebuilt in the first-level cache and multiplied with
// all rows; never is more of the matrix unpacked. A weight takes 16 products for each level, where
// bitplane's has one instruction for 64: with few rows the kernel waits for these products, not for
// memory, and its time grows with its levels.
//
// A `Form` is F32, of kernels/simd, and
//
//   Signed(magnitudes, word, i)   kLanes outputs' magnitudes, with the signs of input i of a quad;
//                                 `word` is where those outputs' bits begin
#pragma once

#include <cstddef>
#include <cstdint>

#include "ashlar/codec/bitstack/layout.h"
#include "ashlar/kernels/linear/linear_args.h"
#include "ashlar/kernels/simd/half.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::internal {

// A band's U, outputs innermost.
struct StackedOutputs {
  alignas(64) float u[BitstackLayout::kLevels][BitstackLayout::kRank][BitstackLayout::kOutputs];
};

// Weights, outputs innermost.
struct StackedTile {
  alignas(64) float w[BitstackLayout::kInputs][BitstackLayout::kOutputs];
};

namespace {

__attribute__((always_inline)) inline const std::byte* StackedBand(const LinearArgs& args,
                                                                   int level, std::int64_t band) {
  return args.levels[level] + BitstackLayout::HeaderBytes(level, args.stored_columns) +
         static_cast<std::uint64_t>(band) * BitstackLayout::BandBytes(args.stored_columns);
}

}  // namespace

// `count` factors, a multiple of the lanes, as f32.
template <class F32>
void WidenFactors(const std::byte* from, int count, float* to) {
  for (int i = 0; i < count; i += F32::kLanes) {
    F32::Load(reinterpret_cast<const simd::Half*>(from) + i).Store(to + i);
  }
}

template <class F32>
void LoadOutputs(const LinearArgs& args, std::int64_t band, StackedOutputs& outputs) {
  using Layout = BitstackLayout;
  for (int level = 0; level < args.level_count; ++level) {
    alignas(64) float rows[Layout::kOutputs][Layout::kRank];
    WidenFactors<F32>(StackedBand(args, level, band), Layout::kOutputs * Layout::kRank, rows[0]);
    for (int o = 0; o < Layout::kOutputs; ++o) {
      for (int r = 0; r < Layout::kRank; ++r) {
        outputs.u[level][r][o] = rows[o][r];
      }
    }
  }
}

// The weights of a band's group.
template <class Form>
void RebuildTile(const LinearArgs& args, std::int64_t band, std::int64_t group,
                 const StackedOutputs& outputs, StackedTile& tile) {
  using Layout = BitstackLayout;
  using F32 = typename Form::F32;
  const std::int64_t first = group * Layout::kInputs;
  alignas(64) float v[Layout::kInputs][Layout::kRank];
  for (int level = 0; level < args.level_count; ++level) {
    WidenFactors<F32>(args.levels[level] + first * Layout::kRank * 2,
                      Layout::kInputs * Layout::kRank, v[0]);
    const std::byte* const signs =
        StackedBand(args, level, band) + Layout::kOutputBytes + group * Layout::kTileBytes;
    for (int o = 0; o < Layout::kOutputs; o += F32::kLanes) {
      F32 u[Layout::kRank];
      ASHLAR_UNROLL
      for (int r = 0; r < Layout::kRank; ++r) {
        u[r] = F32::Load(outputs.u[level][r] + o);
      }
      for (int i = 0; i < Layout::kInputs; ++i) {
        F32 magnitudes = u[0] * F32::Broadcast(v[i][0]);
        ASHLAR_UNROLL
        for (int r = 1; r < Layout::kRank; ++r) {
          magnitudes = MulAdd(u[r], F32::Broadcast(v[i][r]), magnitudes);
        }
        const F32 own =
            Form::Signed(magnitudes, signs + 8 * (8 * (o / 16) + i / 4) + o % 16 / 2, i % 4);
        (level == 0 ? own : F32::Load(tile.w[i] + o) + own).Store(tile.w[i] + o);
      }
    }
  }
  alignas(64) float scales[Layout::kInputs];
  WidenFactors<F32>(args.levels[0] + Layout::ScalesAt(args.stored_columns) + 2 * first,
                    Layout::kInputs, scales);
  for (int i = 0; i < Layout::kInputs; ++i) {
    for (int o = 0; o < Layout::kOutputs; o += F32::kLanes) {
      (F32::Load(tile.w[i] + o) * F32::Broadcast(scales[i])).Store(tile.w[i] + o);
    }
  }
}

// y += w x over a tile, for kRows rows and kLanes outputs from `o` on of the tile; the first tile
// begins y.
template <class F32, int kRows>
void MultiplyStacked(const LinearArgs& args, const StackedTile& tile, int o, std::int64_t group,
                     std::int64_t output, std::int64_t row) {
  const std::int64_t left = args.output_end - output;
  const bool whole = left >= F32::kLanes;
  F32 y[kRows];
  ASHLAR_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const float* const from = args.y + (row + r) * args.y_stride + output;
    y[r] = group == 0 ? F32::Zero()
           : whole    ? F32::Load(from)
                      : F32::LoadFirst(from, left, F32::Zero());
  }
  const float* const x = args.x + row * args.x_stride + group * BitstackLayout::kInputs;
  for (int i = 0; i < BitstackLayout::kInputs; ++i) {
    const F32 w = F32::Load(tile.w[i] + o);
    ASHLAR_UNROLL
    for (int r = 0; r < kRows; ++r) {
      y[r] = MulAdd(w, F32::Broadcast(x[r * args.x_stride + i]), y[r]);
    }
  }
  ASHLAR_UNROLL
  for (int r = 0; r < kRows; ++r) {
    float* const to = args.y + (row + r) * args.y_stride + output;
    if (whole) {
      y[r].Store(to);
    } else {
      y[r].StoreFirst(to, left);
    }
  }
}

template <class Form>
void BitstackLinear(const LinearArgs& args) {
  using Layout = BitstackLayout;
  using F32 = typename Form::F32;
  constexpr int kRows = 4;
  StackedOutputs outputs;
  StackedTile tile;
  for (std::int64_t n = args.output_begin; n < args.output_end; n += Layout::kOutputs) {
    const std::int64_t band = n / Layout::kOutputs;
    LoadOutputs<F32>(args, band, outputs);
    for (std::int64_t group = 0; group < args.inputs / Layout::kInputs; ++group) {
      RebuildTile<Form>(args, band, group, outputs, tile);
      for (int o = 0; o < Layout::kOutputs && n + o < args.output_end; o += F32::kLanes) {
        std::int64_t row = 0;
        for (; row + kRows <= args.rows; row += kRows) {
          MultiplyStacked<F32, kRows>(args, tile, o, group, n + o, row);
        }
        for (; row < args.rows; ++row) {
          MultiplyStacked<F32, 1>(args, tile, o, group, n + o, row);
        }
      }
    }
  }
}

}  // namespace ashlar::internal
