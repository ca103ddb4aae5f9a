// The body of the kernels on GGUF's types in tiles, for any instruction set.
//
//   w[n, k] = scale[n, s] (code[n, k] - bias) + offset[n, s]       s: a span of 16 or 32 inputs
//   y[m, n] = sum_s xscale[m, g] (scale[n, s] dot[m, n, s] + offset[n, s] xsum[m, s])
//   dot[m, n, s] = sum_i (code[n, i] - bias) qx[m, i]              an exact integer
//   xsum[m, s] = sum_i qx[m, i]                                    likewise
//
// Order of the sum, the same in every block shape: from s = 0 up, starting at y = 0,
// y = fma(float(dot), scale * xscale, y); then, for types with offsets,
// y = fma(offset, xscale * float(xsum), y).
//
// Scales and offsets of a tile are widened to f32 once for all rows. So are its codes, to a byte
// each in the order that the products of bytes want; but a single row, which waits for memory and
// not for arithmetic, takes them out of the tile as it goes. Either way a type is how its codes and
// scales are read (tiles_unpack.h) and nothing else, and when rows are many, it costs as much as
// any other. `Isa` is one instruction set:
//
//   F32, kLanes                      kLanes outputs: the vocabulary of kernels/simd
//   Ints                             a register of kLanes dwords, each 4 bytes of one output
//   Rows<Type>()                     rows in a block
//   Vectors(rows)                    vectors of outputs in a block of so many rows
//   Dots<Type>                       sums of products of codes and activations
//   SumOf16(x)                       of 16 activations
#pragma once

#include <cstddef>
#include <cstdint>

#include "ashlar/kernels/linear/linear_args.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::internal {

inline constexpr int kTileRows = 32;       // outputs
inline constexpr int kQuads = kGroup / 4;  // of inputs, in a group
inline constexpr int kChunkGroups = 8;     // 8 KB of codes: with the tile, in the nearest cache

// Few rows wait for memory: lines are asked for so many bytes ahead of their use, or a tile. (Bands
// are not read side by side as in quantized_simd.h: a chunk is a stream long enough by itself.)
inline constexpr int kFewTileRows = 4;
inline constexpr std::int64_t kTilePrefetchBytes = 4096;

// Weights of 32 outputs in some consecutive groups: scales, and codes when they are unpacked.
template <class Type>
struct alignas(64) TileScales {
  static constexpr int kSpans = kGroup / Type::kSpan;  // of a group
  float scale[kChunkGroups * kSpans][kTileRows];
  float offset[Type::kOffsets ? kChunkGroups * kSpans : 1][kTileRows];

  const float (*OffsetsOf(int g) const)[kTileRows] {
    return offset + (Type::kOffsets ? g * kSpans : 0);
  }
};
template <class Type>
struct alignas(64) TileCodes {
  std::uint8_t codes[kChunkGroups][kQuads][kTileRows * 4];
};

// Asks for a share of what comes next in a band: that of one group, of a tile at `tile`. The groups
// of a tile are straight code, in which a compiler moves all that is asked for to the front, more
// than the processor keeps in mind; so nothing passes this.
template <class Isa, class Type>
void PrefetchTile(const std::byte* tile, int g) {
  __asm__ volatile("" : : : "memory");
  constexpr std::int64_t kAhead =
      Type::kTileBytes > kTilePrefetchBytes ? Type::kTileBytes : kTilePrefetchBytes;
  constexpr std::int64_t kShare = Type::kTileBytes / (Type::kColumns / kGroup);
  ASHLAR_UNROLL
  for (std::int64_t at = 0; at < kShare; at += 64) {
    Isa::F32::Prefetch(tile + kAhead + g * kShare + at);
  }
}

// Partial sums of kRows rows and kVectors vectors of outputs, kept in y between calls.
template <class Isa, int kRows>
struct TileSums {
  using F32 = typename Isa::F32;
  static constexpr int kVectors = Isa::Vectors(kRows);
  F32 y[kRows][kVectors];

  // From output `output` on; zeros when `first`.
  void Load(const LinearArgs& args, std::int64_t row, std::int64_t output, bool first) {
    ASHLAR_UNROLL
    for (int r = 0; r < kRows; ++r) {
      ASHLAR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        const std::int64_t n = output + v * F32::kLanes;
        const float* const from = args.y + (row + r) * args.y_stride + n;
        y[r][v] = F32::Zero();
        if (!first && n + F32::kLanes <= args.output_end) {
          y[r][v] = F32::Load(from);
        } else if (!first && n < args.output_end) {
          y[r][v] = F32::LoadFirst(from, args.output_end - n, F32::Zero());
        }
      }
    }
  }
  void Store(const LinearArgs& args, std::int64_t row, std::int64_t output) const {
    ASHLAR_UNROLL
    for (int r = 0; r < kRows; ++r) {
      ASHLAR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        const std::int64_t n = output + v * F32::kLanes;
        float* const out = args.y + (row + r) * args.y_stride + n;
        if (n + F32::kLanes <= args.output_end) {
          y[r][v].Store(out);
        } else if (n < args.output_end) {
          y[r][v].StoreFirst(out, args.output_end - n);
        }
      }
    }
  }

  // Adds the group `group` of x. `codes(quad, v)` are those of vector v; `scale` and `offset` are
  // of the first vector's first output.
  template <class Type, class Codes>
  void Add(const LinearArgs& args, std::int64_t row, std::int64_t group, const Codes& codes,
           const float (*scale)[kTileRows], const float (*offset)[kTileRows], int first) {
    constexpr int kSpans = TileScales<Type>::kSpans;
    const QuantizedRows& x = args.x_quantized;
    const std::int8_t* const qx = x.q + (row * x.stride_groups + group) * kGroup;
    const std::int64_t at = group * x.stride_rows + row;
    ASHLAR_UNROLL
    for (int s = 0; s < kSpans; ++s) {
      std::int32_t x_sum[kRows];
      ASHLAR_UNROLL
      for (int r = 0; r < kRows; ++r) {
        x_sum[r] = x.sum[at + r];
        if constexpr (kSpans == 2) {
          const std::int32_t low = Isa::SumOf16(qx + r * x.stride_groups * kGroup);
          x_sum[r] = s == 0 ? low : x_sum[r] - low;
        }
      }
      typename Isa::template Dots<Type> dots[kRows][kVectors];
      ASHLAR_UNROLL
      for (int r = 0; r < kRows; ++r) {
        ASHLAR_UNROLL
        for (int v = 0; v < kVectors; ++v) {
          dots[r][v].Start(x_sum[r]);
        }
      }
      ASHLAR_UNROLL
      for (int j = 0; j < kQuads / kSpans; ++j) {
        const int quad = s * (kQuads / kSpans) + j;
        typename Isa::Ints w[kVectors];
        ASHLAR_UNROLL
        for (int v = 0; v < kVectors; ++v) {
          w[v] = codes(quad, v);
        }
        ASHLAR_UNROLL
        for (int r = 0; r < kRows; ++r) {
          const auto x4 = Isa::Broadcast4(qx + r * x.stride_groups * kGroup + 4 * quad);
          ASHLAR_UNROLL
          for (int v = 0; v < kVectors; ++v) {
            dots[r][v].Add(w[v], x4, j);
          }
        }
      }
      ASHLAR_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const F32 x_scale = F32::Broadcast(x.scale[at + r]);
        const F32 scaled = F32::Broadcast(x.scale[at + r] * static_cast<float>(x_sum[r]));
        ASHLAR_UNROLL
        for (int v = 0; v < kVectors; ++v) {
          const F32 both = F32::Load(scale[s] + first + v * F32::kLanes) * x_scale;
          y[r][v] = MulAdd(dots[r][v].Finish(x_sum[r]), both, y[r][v]);
          if constexpr (Type::kOffsets) {
            y[r][v] = MulAdd(F32::Load(offset[s] + first + v * F32::kLanes), scaled, y[r][v]);
          }
        }
      }
    }
  }
};

// Calls `each` with an integral constant for every group of a tile.
template <int kValue>
struct GroupNumber {
  static constexpr int value = kValue;
};
template <int kBegin, int kEnd, class Each>
void ForGroups(const Each& each) {
  if constexpr (kBegin < kEnd) {
    each(GroupNumber<kBegin>());
    ForGroups<kBegin + 1, kEnd>(each);
  }
}

// A chunk's groups of the band at output `output`, of which the first is group `group` of x.
struct TileChunkPlace {
  const std::byte* tiles;
  int groups;
  std::int64_t group;
  std::int64_t output;
};

// kRows rows from `row` on, by codes that are unpacked.
template <class Isa, class Type, int kRows>
void TileBlock(const LinearArgs& args, const TileChunkPlace& place, const TileScales<Type>& scales,
               const TileCodes<Type>& unpacked, int part, std::int64_t row) {
  TileSums<Isa, kRows> sums;
  const int first = part * sums.kVectors * Isa::kLanes;
  sums.Load(args, row, place.output + first, place.group == 0);
  for (int g = 0; g < place.groups; ++g) {
    if (kRows <= kFewTileRows && part == 0) {
      PrefetchTile<Isa, Type>(place.tiles, g);
    }
    const auto codes = [&](int quad, int v) {
      return Isa::Load(unpacked.codes[g][quad] + 4 * (first + v * Isa::kLanes));
    };
    sums.template Add<Type>(args, row, place.group + g, codes, scales.scale + g * scales.kSpans,
                            scales.OffsetsOf(g), first);
  }
  sums.Store(args, row, place.output + first);
}

// One row, by codes that are taken out of the tiles.
template <class Isa, class Type>
void TileRow(const LinearArgs& args, const TileChunkPlace& place, const TileScales<Type>& scales,
             int part) {
  constexpr int kTileGroups = Type::kColumns / kGroup;
  TileSums<Isa, 1> sums;
  const int first = part * sums.kVectors * Isa::kLanes;
  sums.Load(args, 0, place.output + first, place.group == 0);
  const std::byte* tile = place.tiles;
  for (int g = 0; g < place.groups; g += kTileGroups, tile += Type::kTileBytes) {
    ForGroups<0, kTileGroups>([&](auto number) {
      constexpr int kNumber = decltype(number)::value;
      if (part == 0) {
        PrefetchTile<Isa, Type>(tile, kNumber);
      }
      const auto codes = [&](int quad, int v) {
        return Type::template Codes<Isa, kNumber>(tile, quad, first + v * Isa::kLanes);
      };
      sums.template Add<Type>(args, 0, place.group + g + kNumber, codes,
                              scales.scale + (g + kNumber) * scales.kSpans,
                              scales.OffsetsOf(g + kNumber), first);
    });
  }
  sums.Store(args, 0, place.output + first);
}

// kRows rows, or `rows` <= kRows of them.
template <class Isa, class Type, int kRows>
void TileRows(const LinearArgs& args, const TileChunkPlace& place, const TileScales<Type>& scales,
              const TileCodes<Type>& codes, std::int64_t row, std::int64_t rows) {
  if constexpr (kRows > 1) {
    if (rows < kRows) {
      return TileRows<Isa, Type, kRows - 1>(args, place, scales, codes, row, rows);
    }
  }
  constexpr int kParts = kTileRows / (Isa::kLanes * Isa::Vectors(kRows));
  for (int part = 0; part < kParts; ++part) {
    TileBlock<Isa, Type, kRows>(args, place, scales, codes, part, row);
  }
}

// A chunk of one band for all rows.
template <class Isa, class Type>
void TileChunkOfBand(const LinearArgs& args, std::int64_t band, std::int64_t group,
                     TileScales<Type>& scales, TileCodes<Type>& codes) {
  constexpr int kTileGroups = Type::kColumns / kGroup;
  const std::int64_t left = args.inputs / kGroup - group;
  const TileChunkPlace place = {
      .tiles = args.weights + static_cast<std::uint64_t>(band) * args.band_stride +
               group / kTileGroups * Type::kTileBytes,
      .groups = static_cast<int>(left < kChunkGroups ? left : kChunkGroups),
      .group = group,
      .output = band * kTileRows};
  const std::byte* tile = place.tiles;
  for (int g = 0; g < place.groups; g += kTileGroups, tile += Type::kTileBytes) {
    for (int o = 0; o < kTileRows; o += Isa::kLanes) {
      Type::template Scales<Isa>(tile, o, g, scales);
    }
  }
  if (args.rows == 1) {
    constexpr int kParts = kTileRows / (Isa::kLanes * Isa::Vectors(1));
    for (int part = 0; part < kParts; ++part) {
      TileRow<Isa, Type>(args, place, scales, part);
    }
    return;
  }
  tile = place.tiles;
  for (int g = 0; g < place.groups; g += kTileGroups, tile += Type::kTileBytes) {
    ForGroups<0, kTileGroups>([&](auto number) {
      constexpr int kNumber = decltype(number)::value;
      ASHLAR_UNROLL
      for (int quad = 0; quad < kQuads; ++quad) {
        ASHLAR_UNROLL
        for (int o = 0; o < kTileRows; o += Isa::kLanes) {
          Isa::Store(codes.codes[g + kNumber][quad] + 4 * o,
                     Type::template Codes<Isa, kNumber>(tile, quad, o));
        }
      }
    });
  }
  constexpr int kMaxRows = Isa::template Rows<Type>();
  for (std::int64_t row = 0; row < args.rows; row += kMaxRows) {
    TileRows<Isa, Type, kMaxRows>(args, place, scales, codes, row, args.rows - row);
  }
}

template <class Isa, class Type>
void LinearOfTiles(const LinearArgs& args) {
  if (args.rows == 0) {
    return;
  }
  TileScales<Type> scales;
  TileCodes<Type> codes;
  const std::int64_t band_end = (args.output_end + kTileRows - 1) / kTileRows;
  const std::int64_t groups = args.inputs / kGroup;
  for (std::int64_t band = args.output_begin / kTileRows; band < band_end; ++band) {
    for (std::int64_t group = 0; group < groups; group += kChunkGroups) {
      TileChunkOfBand<Isa, Type>(args, band, group, scales, codes);
    }
  }
}

}  // namespace ashlar::internal
