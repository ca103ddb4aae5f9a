// The body of the integer kernels, for any instruction set and either width of weights.
//
//   y[m, n] = sum_g wscale[n, g] xscale[m, g] dot[m, n, g]
//   dot[m, n, g] = sum_i qw[n, g, i] qx[m, g, i]                 |dot| <= 32 * 128 * 127 < 2^24
//
// Order of the sum, the same in every block shape: dot is an exact integer, so its own order is
// free; then, from g = 0 up,   y = fma(float(dot), wscale * xscale, y)   starting at y = 0.
//
// A block is kRows rows x kVectors vectors of outputs, whose sums stay in registers over all groups
// (those of several bands, in the first-level cache: few rows can afford it); one pass over a
// band's tiles serves kRows rows. A `Tile` is the packed tile seen by one instruction set:
//
//   F32                                kLanes outputs: the vocabulary of kernels/simd
//   Weights, Integers                  kLanes outputs x 4 inputs; sums of their products
//   Layout, kMaxRows                   of the codec; rows in the largest block
//   kFromMemory                        whether tiles are worth asking memory for ahead
//   Vectors(rows)                      vectors of outputs in a block of so many rows
//   Output(part, v)                    the first output in the tile of vector v of part `part`
//   Load<kVectors>(quad, part, w)      the weights of 4 inputs; `quad` is a quad's first byte
//   Broadcast4(x)                      4 activations, in every lane
//   Start(x_sum)                       an empty sum of products, given the group's sum of qx
//   Dot(sum, w, x4)                    sum + w . x4
//   Finish(sum, x_sum)                 float(dot)
//   Scales(tile, output)               kLanes scales, widened
#pragma once

#include <cstddef>
#include <cstdint>

#include "ashlar/kernels/linear/linear_args.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::internal {

// Few rows wait for memory, not for arithmetic, so they ask it for more at once. They read several
// bands side by side: the processor's prefetcher follows each (2 threads of a Sapphire Rapids read
// 20 GB/s in one stream each, 27 in four). And they ask for lines this far ahead themselves, since
// the prefetcher stops at the end of each 4 KB.
inline constexpr int kFewRows = 4;
inline constexpr int kBandsOfFewRows = 4;
inline constexpr std::int64_t kPrefetchBytes = 4096;

// Part `part` of kBands bands from `band` on, kRows rows from `row` on. The sums start at 0, or
// when these are not the first groups at what y has.
template <class Tile, int kRows, int kBands>
void QuantizedBlock(const LinearArgs& args, std::int64_t band, int part, std::int64_t row,
                    bool first) {
  using F32 = typename Tile::F32;
  using Layout = typename Tile::Layout;
  constexpr int kVectors = Tile::Vectors(kRows);
  const QuantizedRows& x = args.x_quantized;
  const std::int64_t groups = args.inputs / kGroup;
  const std::byte* tiles = args.weights + static_cast<std::uint64_t>(band) * args.band_stride;
  const std::int8_t* x_row = x.q + row * x.stride_groups * kGroup;

  F32 y[kBands][kRows][kVectors];
  ASHLAR_UNROLL
  for (int b = 0; b < kBands; ++b) {
    ASHLAR_UNROLL
    for (int r = 0; r < kRows; ++r) {
      ASHLAR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        y[b][r][v] = F32::Zero();
        if (!first) {
          const std::int64_t n = (band + b) * Layout::kOutputs + Tile::Output(part, v);
          const float* in = args.y + (row + r) * args.y_stride + n;
          if (n + F32::kLanes <= args.output_end) {
            y[b][r][v] = F32::Load(in);
          } else if (n < args.output_end) {
            y[b][r][v] = F32::LoadFirst(in, args.output_end - n, F32::Zero());
          }
        }
      }
    }
  }
  for (std::int64_t g = 0; g < groups; ++g, tiles += Layout::kTileBytes) {
    const std::int8_t* qx = x_row + g * kGroup;
    const std::int64_t at = g * x.stride_rows + row;
    ASHLAR_UNROLL
    for (int b = 0; b < kBands; ++b) {
      const std::byte* tile = tiles + static_cast<std::uint64_t>(b) * args.band_stride;
      if constexpr (kRows <= kFewRows && Tile::kFromMemory) {
        ASHLAR_UNROLL
        for (int line = 0; line < Layout::kTileBytes; line += 64) {
          F32::Prefetch(tile + kPrefetchBytes + line);
        }
      }
      typename Tile::Integers sums[kRows][kVectors];
      ASHLAR_UNROLL
      for (int r = 0; r < kRows; ++r) {
        ASHLAR_UNROLL
        for (int v = 0; v < kVectors; ++v) {
          sums[r][v] = Tile::Start(x.sum[at + r]);
        }
      }
      const std::byte* quad = tile + Layout::kScaleBytes;
      ASHLAR_UNROLL
      for (int j = 0; j < Layout::kQuads; ++j, quad += Layout::kQuadBytes) {
        typename Tile::Weights w[kVectors];
        Tile::template Load<kVectors>(quad, part, w);
        ASHLAR_UNROLL
        for (int r = 0; r < kRows; ++r) {
          const auto x4 = Tile::Broadcast4(qx + r * x.stride_groups * kGroup + 4 * j);
          ASHLAR_UNROLL
          for (int v = 0; v < kVectors; ++v) {
            sums[r][v] = Tile::Dot(sums[r][v], w[v], x4);
          }
        }
      }
      ASHLAR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        const F32 w_scale = Tile::Scales(tile, Tile::Output(part, v));
        ASHLAR_UNROLL
        for (int r = 0; r < kRows; ++r) {
          const F32 scale = w_scale * F32::Broadcast(x.scale[at + r]);
          y[b][r][v] = MulAdd(Tile::Finish(sums[r][v], x.sum[at + r]), scale, y[b][r][v]);
        }
      }
    }
  }
  ASHLAR_UNROLL
  for (int b = 0; b < kBands; ++b) {
    ASHLAR_UNROLL
    for (int r = 0; r < kRows; ++r) {
      ASHLAR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        const std::int64_t n = (band + b) * Layout::kOutputs + Tile::Output(part, v);
        float* out = args.y + (row + r) * args.y_stride + n;
        if (n + F32::kLanes <= args.output_end) {
          y[b][r][v].Store(out);
        } else if (n < args.output_end) {
          y[b][r][v].StoreFirst(out, args.output_end - n);
        }
      }
    }
  }
}

// All parts of kBands bands for kRows rows, or for `rows` <= kRows of them.
template <class Tile, int kRows, int kBands>
void QuantizedBands(const LinearArgs& args, std::int64_t band, std::int64_t row, std::int64_t rows,
                    bool first = true) {
  if constexpr (kRows > 1) {
    if (rows < kRows) {
      return QuantizedBands<Tile, kRows - 1, kBands>(args, band, row, rows, first);
    }
  }
  constexpr int kParts = Tile::Layout::kOutputs / (Tile::F32::kLanes * Tile::Vectors(kRows));
  for (int part = 0; part < kParts; ++part) {
    QuantizedBlock<Tile, kRows, kBands>(args, band, part, row, first);
  }
}

// Bands outermost: a band (72 KB at 4 bits and 4096 inputs) stays in the second-level cache while
// all rows pass over it, and is read from memory once.
template <class Tile>
void QuantizedLinear(const LinearArgs& args) {
  std::int64_t band = args.output_begin / Tile::Layout::kOutputs;
  const std::int64_t band_end =
      (args.output_end + Tile::Layout::kOutputs - 1) / Tile::Layout::kOutputs;
  if (args.rows > 0 && args.rows <= kFewRows) {
    for (; band + kBandsOfFewRows <= band_end; band += kBandsOfFewRows) {
      QuantizedBands<Tile, kFewRows, kBandsOfFewRows>(args, band, 0, args.rows);
    }
  }
  for (; band < band_end; ++band) {
    for (std::int64_t row = 0; row < args.rows; row += Tile::kMaxRows) {
      QuantizedBands<Tile, Tile::kMaxRows, 1>(args, band, row, args.rows - row);
    }
  }
}

}  // namespace ashlar::internal
