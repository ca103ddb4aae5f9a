// The body of the kernels on GGUF's types in tiles, for any instruction set: how a tile of 32
// outputs is walked. groups_simd.h and blocks_simd.h say what is summed there, and in which order.
//
// The codes of a tile are widened once for all rows, to a byte each in the order that the products
// of bytes want; but a single row, which waits for memory and not for arithmetic, takes them out of
// the tile as it goes. Either way a type is how its codes and scales are read (tiles_unpack.h) and
// nothing else, and when rows are many, it costs as much as any other. `Isa` is one instruction
// set:
//
//   F32, kLanes                      kLanes outputs: the vocabulary of kernels/simd
//   Ints                             a register of kLanes dwords, each 4 bytes of one output
//   Rows<Type>()                     rows in the largest block; others have 2 or 1
//   Vectors(rows)                    vectors of outputs in a block of so many rows
//   GroupDots<Type>, BlockDots<Type>, SumOf16(x), ScaleOf<Type>, Minima<Type>(bytes, g),
//   SumsOfWords(a, b)
//                                    what the two bodies add up with
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

// Asks for a share of what comes next in a band: that of group `g` of a tile at `tile`. Groups may
// be straight code, in which a compiler moves all that is asked for to the front, more than the
// processor keeps in mind; so nothing passes this.
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

// A chunk's groups of the band at output `output`, of which the first is group `group` of x.
struct TileChunkPlace {
  const std::byte* tiles;
  int groups;
  std::int64_t group;
  std::int64_t output;
};

// Rows from `row` on in the groups of a chunk, quantized. (The loops below are given this and not
// the call's arguments, and arrays with a running index stand apart from others: then a compiler
// keeps all of it in registers.)
class TileInputs {
 public:
  TileInputs(const LinearArgs& args, const TileChunkPlace& chunk, std::int64_t row)
      : q_(args.x_quantized.q + (row * args.x_quantized.stride_groups + chunk.group) * kGroup),
        row_stride_(args.x_quantized.stride_groups * kGroup),
        scale_(args.x_quantized.scale + chunk.group * args.x_quantized.stride_rows + row),
        sum_(args.x_quantized.sum + chunk.group * args.x_quantized.stride_rows + row),
        group_stride_(args.x_quantized.stride_rows) {}

  const std::int8_t* Q(int r, int g) const { return q_ + r * row_stride_ + g * kGroup; }
  float Scale(int r, int g) const { return scale_[g * group_stride_ + r]; }
  std::int32_t Sum(int r, int g) const { return sum_[g * group_stride_ + r]; }

 private:
  const std::int8_t* q_;
  std::int64_t row_stride_;
  const float* scale_;
  const std::int32_t* sum_;
  std::int64_t group_stride_;
};

// Where a block of sums lies: rows from `row` on, outputs from the chunk's `first`-th on.
struct TileBlockPlace {
  TileChunkPlace chunk;
  std::int64_t row;
  int first;
};

// y of a block: what groups before the chunk came to, or zeros.
template <class F32, int kRows, int kVectors>
void LoadTile(const LinearArgs& args, const TileBlockPlace& place, F32 (&y)[kRows][kVectors]) {
  ASHLAR_UNROLL
  for (int r = 0; r < kRows; ++r) {
    ASHLAR_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const std::int64_t n = place.chunk.output + place.first + v * F32::kLanes;
      const float* const from = args.y + (place.row + r) * args.y_stride + n;
      y[r][v] = F32::Zero();
      if (place.chunk.group != 0 && n + F32::kLanes <= args.output_end) {
        y[r][v] = F32::Load(from);
      } else if (place.chunk.group != 0 && n < args.output_end) {
        y[r][v] = F32::LoadFirst(from, args.output_end - n, F32::Zero());
      }
    }
  }
}
template <class F32, int kRows, int kVectors>
void StoreTile(const LinearArgs& args, const TileBlockPlace& place,
               const F32 (&y)[kRows][kVectors]) {
  ASHLAR_UNROLL
  for (int r = 0; r < kRows; ++r) {
    ASHLAR_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const std::int64_t n = place.chunk.output + place.first + v * F32::kLanes;
      float* const out = args.y + (place.row + r) * args.y_stride + n;
      if (n + F32::kLanes <= args.output_end) {
        y[r][v].Store(out);
      } else if (n < args.output_end) {
        y[r][v].StoreFirst(out, args.output_end - n);
      }
    }
  }
}

// Calls `each` with an integral constant for every number in [kBegin, kEnd).
template <int kValue>
struct Constant {
  static constexpr int value = kValue;
};
template <int kBegin, int kEnd, class Each>
void ForConstants(const Each& each) {
  if constexpr (kBegin < kEnd) {
    each(Constant<kBegin>());
    ForConstants<kBegin + 1, kEnd>(each);
  }
}

// each(tile, turn, phase, g) for the groups of a chunk: group g is in `tile`, and there the
// phase-th of turn `turn` (tiles_unpack.h).
template <class Type, class Each>
void ForTileGroups(const TileChunkPlace& place, const Each& each) {
  constexpr int kTileGroups = Type::kColumns / kGroup;
  for (int g = 0; g < place.groups; g += Type::kPhases) {
    const std::byte* const tile = place.tiles + g / kTileGroups * Type::kTileBytes;
    const int turn = g % kTileGroups / Type::kPhases;
    ForConstants<0, Type::kPhases>([&](auto phase) { each(tile, turn, phase, g + phase.value); });
  }
}

// The codes of a chunk, unpacked.
struct alignas(64) TileCodes {
  std::uint8_t codes[kChunkGroups][kQuads][kTileRows * 4];
};

// kRows rows from `row` on, by codes that are unpacked.
template <class Isa, class Type, int kRows>
void TileRows(const LinearArgs& args, const TileChunkPlace& chunk,
              const typename Type::Scales& scales, const TileCodes& unpacked, std::int64_t row) {
  using Sums = typename Type::template Sums<Isa, kRows>;
  constexpr int kPartOutputs = Isa::kLanes * Isa::Vectors(kRows);
  const TileInputs x(args, chunk, row);
  const typename Sums::Spans spans(x);
  for (int first = 0; first < kTileRows; first += kPartOutputs) {
    const TileBlockPlace place = {chunk, row, first};
    Sums sums(args, place);
    for (int g = 0; g < chunk.groups; ++g) {
      if (args.rows <= kFewTileRows && row == 0 && first == 0) {
        PrefetchTile<Isa, Type>(chunk.tiles, g);
      }
      sums.Add(x, spans, scales, first, g, [&](int quad, int v) {
        return Isa::Load(unpacked.codes[g][quad] + 4 * (first + v * Isa::kLanes));
      });
    }
    sums.Store(args, place, x, spans, scales);
  }
}

// One row, by codes that are taken out of the tiles.
template <class Isa, class Type>
void TileRow(const LinearArgs& args, const TileChunkPlace& chunk,
             const typename Type::Scales& scales) {
  static_assert(Isa::kLanes * Isa::Vectors(1) == kTileRows);
  using Sums = typename Type::template Sums<Isa, 1>;
  const TileBlockPlace place = {chunk, 0, 0};
  const TileInputs x(args, chunk, 0);
  const typename Sums::Spans spans(x);
  Sums sums(args, place);
  ForTileGroups<Type>(chunk, [&](const std::byte* tile, int turn, auto phase, int g) {
    PrefetchTile<Isa, Type>(tile, g % (Type::kColumns / kGroup));
    sums.Add(x, spans, scales, 0, g, [&](int quad, int v) {
      return Type::template Codes<Isa, decltype(phase)::value>(tile, turn, quad, v * Isa::kLanes);
    });
  });
  sums.Store(args, place, x, spans, scales);
}

// A chunk of one band for all rows.
template <class Isa, class Type>
void TileChunkOfBand(const LinearArgs& args, std::int64_t band, std::int64_t group,
                     typename Type::Scales& scales, TileCodes& codes) {
  constexpr int kTileGroups = Type::kColumns / kGroup;
  const std::int64_t left = args.inputs / kGroup - group;
  const TileChunkPlace chunk = {
      .tiles = args.weights + static_cast<std::uint64_t>(band) * args.band_stride +
               group / kTileGroups * Type::kTileBytes,
      .groups = static_cast<int>(left < kChunkGroups ? left : kChunkGroups),
      .group = group,
      .output = band * kTileRows};
  for (int g = 0; g < chunk.groups; g += kTileGroups) {
    for (int o = 0; o < kTileRows; o += Isa::kLanes) {
      Type::template ReadScales<Isa>(chunk.tiles + g / kTileGroups * Type::kTileBytes, o, g,
                                     scales);
    }
  }
  if (args.rows == 1) {
    return TileRow<Isa, Type>(args, chunk, scales);
  }
  ForTileGroups<Type>(chunk, [&](const std::byte* tile, int turn, auto phase, int g) {
    for (int quad = 0; quad < kQuads; ++quad) {
      for (int o = 0; o < kTileRows; o += Isa::kLanes) {
        Isa::Store(codes.codes[g][quad] + 4 * o,
                   Type::template Codes<Isa, decltype(phase)::value>(tile, turn, quad, o));
      }
    }
  });
  constexpr int kRows = Isa::template Rows<Type>();
  std::int64_t row = 0;
  for (; row + kRows <= args.rows; row += kRows) {
    TileRows<Isa, Type, kRows>(args, chunk, scales, codes, row);
  }
  for (; row + 2 <= args.rows; row += 2) {
    TileRows<Isa, Type, 2>(args, chunk, scales, codes, row);
  }
  if (row < args.rows) {
    TileRows<Isa, Type, 1>(args, chunk, scales, codes, row);
  }
}

template <class Isa, class Type>
void LinearOfTiles(const LinearArgs& args) {
  if (args.rows == 0) {
    return;
  }
  typename Type::Scales scales;
  TileCodes codes;
  const std::int64_t band_end = (args.output_end + kTileRows - 1) / kTileRows;
  const std::int64_t groups = args.inputs / kGroup;
  for (std::int64_t band = args.output_begin / kTileRows; band < band_end; ++band) {
    for (std::int64_t group = 0; group < groups; group += kChunkGroups) {
      TileChunkOfBand<Isa, Type>(args, band, group, scales, codes);
    }
  }
}

}  // namespace ashlar::internal
