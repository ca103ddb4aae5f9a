// The body of the bitplane kernels, for any instruction set and number of planes.
//
//   y[m, n] = factor[n] / 128 * sum_g scale[n, g] xscale[m, g] dot[m, n, g]
//   dot[m, n, g] = sum_i (byte[n, g, i] + half - 128) qx[m, g, i]             |dot| < 2^20
//
// A code of p planes fills a byte from the top, and the bit below its last plane is set: its half
// step. (code + 1/2 - 2^(p-1)) 2^(1-p) = (byte - 128) / 128. Of 8 planes the half step has no bit,
// and half = 1/2 stands for it; otherwise half = 0. So whatever the number of planes, what is
// multiplied are bytes as q8 has them, by the body of q8 (quantized_simd.h).
//
// Order of the sum: dot is exact; then, from g = 0 up, y = fma(dot, scale * xscale, y) from y = 0;
// then y times the output's factor. The same in every shape of block.
//
// Planes are unpacked a chunk of some groups at a time, to tiles in the first-level cache. A `Form`
// is what an instruction set does:
//
//   F32                                of kernels/simd
//   Tile<kHalf>                        unpacked tiles, for quantized_simd.h
//   Unpack<kPlanes>(at, ahead, groups, tiles)
//                                      some groups of a band, to tiles one after the other; `at`
//                                      moves on behind them
#pragma once

#include <cstddef>
#include <cstdint>

#include "ashlar/codec/bitplane/layout.h"
#include "ashlar/kernels/linear/linear_args.h"
#include "ashlar/kernels/linear/quantized_simd.h"
#include "ashlar/kernels/simd/half.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::internal {

// A tile of q8, but for scales in f32.
struct UnpackedLayout {
  static constexpr int kOutputs = 32;
  static constexpr int kQuads = kGroup / 4;
  static constexpr int kScaleBytes = 4 * kOutputs;
  static constexpr int kQuadBytes = 4 * kOutputs;
  static constexpr int kTileBytes = kScaleBytes + kQuads * kQuadBytes;
  static constexpr int kBias = 128;
};

// Where the planes of a band's group lie, and its scales.
struct PlaneTiles {
  const std::byte* plane[BitplaneLayout::kPlanes];  // from the sign down
  const std::byte* scales;

  template <int kPlanes>
  void ToNextGroup() {
    ASHLAR_UNROLL
    for (int p = 0; p < kPlanes; ++p) {
      plane[p] += BitplaneLayout::kTileBytes *
                  (p < BitplaneLayout::kFirstPlanes ? BitplaneLayout::kFirstPlanes : 1);
    }
    scales += BitplaneLayout::kScaleBytes;
  }
};

// How far from what is unpacked, in bytes, that lies which will be unpacked kGroupsAhead groups
// later: it is asked for now. (A kilobyte ahead, 64-byte lines were waited for more than half of
// the time; levels have fewer bytes in a group than whole tiles of q4.)
struct Ahead {
  std::int64_t first;   // in planes of level 0
  std::int64_t others;  // in those of other levels
  std::int64_t scales;
};
inline constexpr std::int64_t kGroupsAhead = 16;

namespace {

PlaneTiles PlaneTilesOf(const LinearArgs& args, std::int64_t band) {
  using Layout = BitplaneLayout;
  const std::uint64_t header = Layout::HeaderBytes(args.stored_rows);
  const auto b = static_cast<std::uint64_t>(band);
  const auto level_at = [&](int level) __attribute__((always_inline)) {
    return args.levels[level] + header + b * Layout::BandBytes(level, args.stored_columns);
  };
  PlaneTiles tiles{};
  tiles.plane[0] = level_at(0);
  tiles.plane[1] = tiles.plane[0] + Layout::kTileBytes;
  tiles.scales = tiles.plane[0] +
                 args.stored_columns / Layout::kInputs * Layout::kFirstPlanes * Layout::kTileBytes;
  for (int level = 1; level < args.level_count; ++level) {
    tiles.plane[level + 1] = level_at(level);
  }
  return tiles;
}

// From group g of a band; after a band's `groups` comes that `bands` further on.
Ahead AheadOf(const LinearArgs& args, std::int64_t g, std::int64_t groups, std::int64_t bands) {
  using Layout = BitplaneLayout;
  const bool next = g + kGroupsAhead >= groups;
  const std::int64_t skipped = next ? kGroupsAhead - groups : kGroupsAhead;
  const auto band = [&](int level) __attribute__((always_inline)) {
    return next ? bands * static_cast<std::int64_t>(Layout::BandBytes(level, args.stored_columns))
                : 0;
  };
  return {.first = band(0) + skipped * Layout::kFirstPlanes * Layout::kTileBytes,
          .others = band(1) + skipped * Layout::kTileBytes,
          .scales = band(0) + skipped * Layout::kScaleBytes};
}

}  // namespace

// Asks for the tiles of a group, and its scales, that lie ahead.
template <class F32, int kPlanes>
void PrefetchPlanes(const PlaneTiles& at, const Ahead& ahead) {
  ASHLAR_UNROLL
  for (int plane = 0; plane < kPlanes; ++plane) {
    const std::byte* const tile =
        at.plane[plane] + (plane < BitplaneLayout::kFirstPlanes ? ahead.first : ahead.others);
    F32::Prefetch(tile);
    F32::Prefetch(tile + 64);
  }
  F32::Prefetch(at.scales + ahead.scales);
}

// y <- y * factor / 128, for the outputs of one band.
template <class F32>
void ScaleOutputs(const LinearArgs& args, std::int64_t band) {
  const std::byte* const factors = args.levels[args.level_count - 1];
  for (std::int64_t n = band * UnpackedLayout::kOutputs;
       n < args.output_end && n < (band + 1) * UnpackedLayout::kOutputs; n += F32::kLanes) {
    const F32 factor = F32::Load(reinterpret_cast<const simd::Half*>(factors + 2 * n)) *
                       F32::Broadcast(1.0f / 128);
    for (std::int64_t m = 0; m < args.rows; ++m) {
      float* const y = args.y + m * args.y_stride + n;
      if (n + F32::kLanes <= args.output_end) {
        (F32::Load(y) * factor).Store(y);
      } else {
        const std::int64_t count = args.output_end - n;
        (F32::LoadFirst(y, count, F32::Zero()) * factor).StoreFirst(y, count);
      }
    }
  }
}

// kBands bands from `band` on. One row at a time is slower than several bands side by side: see
// quantized_simd.h.
template <class Form, int kPlanes, int kBands>
void BitplaneBands(const LinearArgs& args, std::int64_t band) {
  using Tile = typename Form::template Tile<kPlanes == BitplaneLayout::kPlanes>;
  constexpr std::int64_t kChunkGroups = 16 / kBands;  // 18 KB of the first-level cache
  constexpr std::int64_t kStride = kChunkGroups * UnpackedLayout::kTileBytes;
  constexpr int kRows = kBands == 1 ? Tile::kMaxRows : kFewRows;
  alignas(64) std::byte tiles[kBands * kStride];
  LinearArgs chunk = args;
  chunk.weights = tiles;
  chunk.band_stride = kStride;
  chunk.output_begin = 0;
  chunk.output_end -= band * UnpackedLayout::kOutputs;
  chunk.y += band * UnpackedLayout::kOutputs;
  PlaneTiles at[kBands];
  for (int b = 0; b < kBands; ++b) {
    at[b] = PlaneTilesOf(args, band + b);
  }
  const std::int64_t groups = args.inputs / kGroup;
  for (std::int64_t g = 0; g < groups; g += kChunkGroups) {
    const std::int64_t count = groups - g < kChunkGroups ? groups - g : kChunkGroups;
    const Ahead ahead = AheadOf(args, g, groups, kBands);
    for (int b = 0; b < kBands; ++b) {
      Form::template Unpack<kPlanes>(at[b], ahead, count, tiles + b * kStride);
    }
    chunk.inputs = count * kGroup;
    chunk.x_quantized.q = args.x_quantized.q + g * kGroup;
    chunk.x_quantized.scale = args.x_quantized.scale + g * args.x_quantized.stride_rows;
    chunk.x_quantized.sum = args.x_quantized.sum + g * args.x_quantized.stride_rows;
    for (std::int64_t row = 0; row < args.rows; row += kRows) {
      QuantizedBands<Tile, kRows, kBands>(chunk, 0, row, args.rows - row, g == 0);
    }
  }
  for (int b = 0; b < kBands; ++b) {
    ScaleOutputs<typename Form::F32>(args, band + b);
  }
}

// Any rows, of one number of planes.
template <class Form>
struct BitplaneRows {
  template <int kPlanes>
  static void Run(const LinearArgs& args) {
    std::int64_t band = args.output_begin / UnpackedLayout::kOutputs;
    const std::int64_t band_end =
        (args.output_end + UnpackedLayout::kOutputs - 1) / UnpackedLayout::kOutputs;
    if (args.rows <= kFewRows) {
      for (; band + kBandsOfFewRows <= band_end; band += kBandsOfFewRows) {
        BitplaneBands<Form, kPlanes, kBandsOfFewRows>(args, band);
      }
    }
    for (; band < band_end; ++band) {
      BitplaneBands<Form, kPlanes, 1>(args, band);
    }
  }
};

// Runner::Run<kPlanes>(args) for the planes that the levels have.
template <class Runner, int kPlanes = BitplaneLayout::kPlanes>
void ForPlanes(const LinearArgs& args) {
  if constexpr (kPlanes > BitplaneLayout::kFirstPlanes) {
    if (BitplaneLayout::PlanesOf(args.level_count) < kPlanes) {
      return ForPlanes<Runner, kPlanes - 1>(args);
    }
  }
  Runner::template Run<kPlanes>(args);
}

template <class Form>
void BitplaneLinear(const LinearArgs& args) {
  ForPlanes<BitplaneRows<Form>>(args);
}

}  // namespace ashlar::internal
