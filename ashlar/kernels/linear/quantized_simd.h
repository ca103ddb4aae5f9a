// The body of the integer kernels, for any instruction set and any codec with scales of 32 inputs.
//
//   y[m, n] = sum_g wscale[n, g] xscale[m, g] dot[m, n, g]
//   dot[m, n, g] = sum_i qw[n, g, i] qx[m, g, i]                 |dot| <= 32 * 128 * 127 < 2^24
//
// Order of the sum, the same in every block shape: dot is an exact integer, so its own order is
// free; then, from g = 0 up,   y = fma(float(dot), wscale * xscale, y)   starting at y = 0.
//
// A block is kRows rows x kVectors vectors of outputs, whose sums stay in registers over all groups
// (those of several bands, in the first-level cache: few rows can afford it); one pass over a
// band's weights serves kRows rows. A `Source` is where the weights of some bands come from, a
// group at a time:
//
// clang-format off
//   Tile, kBands                      how they are multiplied; the bands, side by side
//   kStepsAreALoop                    whether `step` is a variable; else a constant
//   Quad(step)                        which 4 of the group's inputs are taken as `step`-th
//   Load<kVectors>(b, step, part, w)  the weights of these and of part `part` of band b
//   Scales(b, output, x_scale)        kLanes scales from the band's output `output` on, times x_scale
//   Prefetch(b)                       asks for weights that come later
//   Next()                            goes on to the next group
//
// A `Tile` is how one instruction set multiplies:
//
//   F32                               kLanes outputs: the vocabulary of kernels/simd
//   Weights, Integers                 kLanes outputs x 4 inputs; sums of their products
//   kMaxRows                          rows in the largest block
//   Vectors(rows)                     vectors of outputs in a block of so many rows
//   Output(part, v)                   the band's first output in vector v of part `part`
//   Broadcast4(x)                     4 activations, in every lane
//   Start(x_sum, v)                   vector v's empty sum of products, given the group's sum of qx
//   Dot(sum, w, x4)                   sum + w . x4
//   Finish(sums, x_sum, dots)         float(dot) of a row's vectors
// clang-format on
#pragma once

#include <cstddef>
#include <cstdint>

#include "ashlar/kernels/linear/linear_args.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::internal {

inline constexpr int kBandOutputs = 32;
inline constexpr int kQuadsOfGroup = kGroup / 4;

// Few rows wait for memory, not for arithmetic, so they ask it for more at once. They read several
// bands side by side: the processor's prefetcher follows each (2 threads of a Sapphire Rapids read
// 20 GB/s in one stream each, 27 in four). And they ask for lines this far ahead themselves, since
// the prefetcher stops at the end of each 4 KB. (4 KB ahead, matrices of a billion weights took 1
// to 4 rows 5 to 7 % longer at 4 bits, 2 to 9 % at 8.)
inline constexpr int kFewRows = 4;
inline constexpr int kBandsOfFewRows = 4;
inline constexpr std::int64_t kPrefetchBytes = 1152;

// Groups of the inputs. The sums start at 0, or where the groups before left them in y.
struct GroupRange {
  std::int64_t begin;
  std::int64_t end;
};

// Part `part` of the source's bands, of which the first is `band`; kRows rows from `row` on.
template <int kRows, class Source>
void QuantizedBlock(const LinearArgs& args, Source source, std::int64_t band, int part,
                    std::int64_t row, GroupRange groups) {
  using Tile = typename Source::Tile;
  using F32 = typename Tile::F32;
  constexpr int kBands = Source::kBands;
  constexpr int kVectors = Tile::Vectors(kRows);
  const QuantizedRows& x = args.x_quantized;
  const std::int8_t* x_row = x.q + row * x.stride_groups * kGroup;

  F32 y[kBands][kRows][kVectors];
  ASHLAR_UNROLL
  for (int b = 0; b < kBands; ++b) {
    ASHLAR_UNROLL
    for (int r = 0; r < kRows; ++r) {
      ASHLAR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        y[b][r][v] = F32::Zero();
        if (groups.begin > 0) {
          const std::int64_t n = (band + b) * kBandOutputs + Tile::Output(part, v);
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
  for (std::int64_t g = groups.begin; g < groups.end; ++g) {
    const std::int8_t* qx = x_row + g * kGroup;
    const std::int64_t at = g * x.stride_rows + row;
    ASHLAR_UNROLL
    for (int b = 0; b < kBands; ++b) {
      if (row == 0) {  // the rows after these find what comes next in the second-level cache
        source.Prefetch(b);
      }
      typename Tile::Integers sums[kRows][kVectors];
      ASHLAR_UNROLL
      for (int r = 0; r < kRows; ++r) {
        ASHLAR_UNROLL
        for (int v = 0; v < kVectors; ++v) {
          sums[r][v] = Tile::Start(x.sum[at + r], v);
        }
      }
      const auto take = [&](int step) __attribute__((always_inline)) {
        typename Tile::Weights w[kVectors];
        source.template Load<kVectors>(b, step, part, w);
        ASHLAR_UNROLL
        for (int r = 0; r < kRows; ++r) {
          const auto x4 =
              Tile::Broadcast4(qx + r * x.stride_groups * kGroup + 4 * Source::Quad(step));
          ASHLAR_UNROLL
          for (int v = 0; v < kVectors; ++v) {
            sums[r][v] = Tile::Dot(sums[r][v], w[v], x4);
          }
        }
      };
      if constexpr (Source::kStepsAreALoop) {
        ASHLAR_LOOP
        for (int step = 0; step < kQuadsOfGroup; ++step) {
          take(step);
          ASHLAR_UNROLL
          for (int r = 0; r < kRows; ++r) {
            ASHLAR_UNROLL
            for (int v = 0; v < kVectors; ++v) {
              ASHLAR_IN_REGISTER(sums[r][v]);
            }
          }
        }
      } else {
        ASHLAR_UNROLL
        for (int step = 0; step < kQuadsOfGroup; ++step) {
          take(step);
        }
      }
      ASHLAR_UNROLL
      for (int r = 0; r < kRows; ++r) {
        F32 dots[kVectors];
        Tile::Finish(sums[r], x.sum[at + r], dots);
        ASHLAR_UNROLL
        for (int v = 0; v < kVectors; ++v) {
          const F32 scale = source.Scales(b, Tile::Output(part, v), x.scale[at + r]);
          y[b][r][v] = MulAdd(dots[v], scale, y[b][r][v]);
        }
      }
    }
    source.Next();
  }
  ASHLAR_UNROLL
  for (int b = 0; b < kBands; ++b) {
    ASHLAR_UNROLL
    for (int r = 0; r < kRows; ++r) {
      ASHLAR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        const std::int64_t n = (band + b) * kBandOutputs + Tile::Output(part, v);
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

// All parts of the source's bands for kRows rows, or for `rows` <= kRows of them.
template <int kRows, class Source>
void QuantizedBands(const LinearArgs& args, const Source& source, std::int64_t band,
                    std::int64_t row, std::int64_t rows, GroupRange groups) {
  if constexpr (kRows > 1) {
    if (rows < kRows) {
      return QuantizedBands<kRows - 1>(args, source, band, row, rows, groups);
    }
  }
  using Tile = typename Source::Tile;
  constexpr int kParts = kBandOutputs / (Tile::F32::kLanes * Tile::Vectors(kRows));
  for (int part = 0; part < kParts; ++part) {
    QuantizedBlock<kRows>(args, source, band, part, row, groups);
  }
}

// Tiles of a codec that has one per group, as they are stored.
template <class T, int kBandCount>
class PackedTiles {
 public:
  using Tile = T;
  using Layout = typename T::Layout;
  static_assert(Layout::kOutputs == kBandOutputs && Layout::kQuads == kQuadsOfGroup);
  static constexpr int kBands = kBandCount;
  static constexpr bool kStepsAreALoop = false;
  static constexpr int Quad(int step) { return step; }

  PackedTiles(const LinearArgs& args, std::int64_t band)
      : tile_(args.weights + static_cast<std::uint64_t>(band) * args.band_stride),
        band_stride_(args.band_stride) {}

  template <int kVectors>
  void Load(int b, int step, int part, typename Tile::Weights (&w)[kVectors]) const {
    Tile::template Load<kVectors>(At(b) + Layout::kScaleBytes + step * Layout::kQuadBytes, part, w);
  }
  typename Tile::F32 Scales(int b, int output, float x_scale) const {
    return Tile::Scales(At(b), output) * Tile::F32::Broadcast(x_scale);
  }
  // All of the first band's group, for a KeptGroup (quantized_kept.h).
  template <class Group>
  void Keep(Group& group) const {
    using F32 = typename Tile::F32;
    ASHLAR_UNROLL
    for (int output = 0; output < kBandOutputs; output += F32::kLanes) {
      Tile::Scales(tile_, output).Store(group.scale + output);
    }
    ASHLAR_UNROLL
    for (int quad = 0; quad < kQuadsOfGroup; ++quad) {
      ASHLAR_UNROLL
      for (int part = 0; part < kBandOutputs / (2 * F32::kLanes); ++part) {
        typename Tile::Weights w[2];
        Load(0, quad, part, w);
        group.Set(quad, part, w);
      }
    }
  }
  void Prefetch(int b) const { PrefetchTile(At(b) + kPrefetchBytes); }
  // Asks for group `ahead` from here of the first band.
  void PrefetchGroup(std::int64_t ahead) const { PrefetchTile(At(0) + ahead * Layout::kTileBytes); }
  void Next() { tile_ += Layout::kTileBytes; }

 private:
  static void PrefetchTile(const std::byte* tile) {
    ASHLAR_UNROLL
    for (int line = 0; line < Layout::kTileBytes; line += 64) {
      Tile::F32::Prefetch(tile + line);
    }
  }
  const std::byte* At(int b) const { return tile_ + static_cast<std::uint64_t>(b) * band_stride_; }

  const std::byte* tile_;
  std::uint64_t band_stride_;
};

// Bands outermost: a band (72 KB at 4 bits and 4096 inputs) stays in the second-level cache while
// all rows pass over it, and is read from memory once.
template <class Tile>
void QuantizedLinear(const LinearArgs& args) {
  const GroupRange groups = {0, args.inputs / kGroup};
  std::int64_t band = args.output_begin / kBandOutputs;
  const std::int64_t band_end = (args.output_end + kBandOutputs - 1) / kBandOutputs;
  if (args.rows > 0 && args.rows <= kFewRows) {
    for (; band + kBandsOfFewRows <= band_end; band += kBandsOfFewRows) {
      QuantizedBands<kFewRows>(args, PackedTiles<Tile, kBandsOfFewRows>(args, band), band, 0,
                               args.rows, groups);
    }
  }
  for (; band < band_end; ++band) {
    for (std::int64_t row = 0; row < args.rows; row += Tile::kMaxRows) {
      QuantizedBands<Tile::kMaxRows>(args, PackedTiles<Tile, 1>(args, band), band, row,
                                     args.rows - row, groups);
    }
  }
}

}  // namespace ashlar::internal
