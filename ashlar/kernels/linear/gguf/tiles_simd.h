// The body of the kernels on GGUF's types in tiles, for any instruction set: how a tile of 32
// outputs is walked. groups_simd.h and blocks_simd.h say what is summed there, and in which order.
//
// The codes of a tile are widened once for all rows, to a byte each in the order that the products
// of bytes want; but a single row, which waits for memory and not for arithmetic, takes them out of
// the tile as it goes, and so do up to four where that is little code. Either way a type is how its
// codes and scales are read (tiles_unpack.h) and nothing else, and when rows are many, it costs as
// much as any other. `Isa` is one instruction set:
//
//   F32, kLanes                      kLanes outputs: the vocabulary of kernels/simd
//   Ints                             a register of kLanes dwords, each 4 bytes of one output
//   Rows<Type>()                     rows in the largest block; others have 4, 2 or 1
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

// Few rows wait for memory. They read two bands side by side, a chunk of each in turn, and ask for
// lines ahead of their use: in the order of addresses, which the processor's own prefetcher
// follows. (In the order of use, where a type reads the end of a tile first, less: Q3_K 14 GB/s for
// 16, Q6_K 12 for 14.)
inline constexpr int kFewTileRows = 4;
inline constexpr int kBandsOfFewTileRows = 2;

// A single row asks for what is so many bytes ahead, into the first-level cache. Measured from
// memory, AVX-512, 1 row x 8192 x 8192, in turn with q4 at 17 GB/s: Q4_K 15.3 GB/s, Q2_K 14.7,
// IQ4_XS 16.7; 4 KB or a tile ahead into the second-level cache, 15.0, 12.4 and 14.0. A type that
// reads the middle and the end of a tile first asks for a tile ahead, into the second-level cache.
inline constexpr std::int64_t kNearBytes = 2304;

// Asks for group `g`'s share of a tile at `tile`. Groups may be straight code, in which a compiler
// moves all that is asked for to the front, more than the processor keeps in mind; so nothing
// passes this.
template <class Isa, class Type, bool kNear>
void PrefetchShare(const std::byte* tile, int g) {
  __asm__ volatile("" : : : "memory");
  constexpr std::int64_t kShare = Type::kTileBytes / (Type::kColumns / kGroup);
  ASHLAR_UNROLL
  for (std::int64_t at = 0; at < kShare; at += 64) {
    const std::byte* const line = tile + g * kShare + at;
    if constexpr (kNear) {
      __builtin_prefetch(line);
    } else {
      Isa::F32::Prefetch(line);
    }
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

// The scales of a chunk's tiles, and each(tile, turn, phase, g) for its groups: group g is in
// `tile`, and there the phase-th of turn `turn` (tiles_unpack.h).
template <class Isa, class Type, class Each>
void ForTileGroups(const TileChunkPlace& place, typename Type::Scales& scales, const Each& each) {
  constexpr int kTileGroups = Type::kColumns / kGroup;
  const std::byte* tile = place.tiles;
  for (int g = 0; g < place.groups; g += kTileGroups, tile += Type::kTileBytes) {
    for (int o = 0; o < kTileRows; o += Isa::kLanes) {
      Type::template ReadScales<Isa>(tile, o, g, scales);
    }
    for (int turn = 0; turn < kTileGroups / Type::kPhases; ++turn) {
      ForConstants<0, Type::kPhases>(
          [&](auto phase) { each(tile, turn, phase, g + turn * Type::kPhases + phase.value); });
    }
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
  constexpr std::int64_t kChunkBytes =
      Type::kTileBytes * (kChunkGroups / (Type::kColumns / kGroup));
  const TileInputs x(args, chunk, row);
  const typename Sums::Spans spans(x);
  for (int first = 0; first < kTileRows; first += kPartOutputs) {
    const TileBlockPlace place = {chunk, row, first};
    Sums sums(args, place);
    for (int g = 0; g < chunk.groups; ++g) {
      if (args.rows <= kFewTileRows && row == 0 && first == 0) {
        PrefetchShare<Isa, Type, false>(chunk.tiles + kChunkBytes, g);
      }
      sums.Add(x, spans, scales, first, g, [&](int quad, int v) {
        return Isa::Load(unpacked.codes[g][quad] + 4 * (first + v * Isa::kLanes));
      });
    }
    sums.Store(args, place, x, spans, scales);
  }
}

// All rows, kRows, by codes that are taken out of the tiles: a block of outputs from kFirst on.
template <class Isa, class Type, int kRows, int kFirst>
void FewTileRows(const LinearArgs& args, const TileChunkPlace& chunk,
                 typename Type::Scales& scales) {
  using Sums = typename Type::template Sums<Isa, kRows>;
  constexpr bool kNear = !Type::kReadsEndFirst;
  constexpr std::int64_t kAhead = kNear ? kNearBytes : Type::kTileBytes;
  const TileBlockPlace place = {chunk, 0, kFirst};
  const TileInputs x(args, chunk, 0);
  const typename Sums::Spans spans(x);
  Sums sums(args, place);
  ForTileGroups<Isa, Type>(chunk, scales, [&](const std::byte* tile, int turn, auto phase, int g) {
    if constexpr (kFirst == 0) {
      PrefetchShare<Isa, Type, kNear>(tile + kAhead, g % (Type::kColumns / kGroup));
    }
    sums.Add(x, spans, scales, kFirst, g, [&](int quad, int v) {
      return Type::template Codes<Isa, decltype(phase)::value>(tile, turn, quad,
                                                               kFirst + v * Isa::kLanes);
    });
  });
  sums.Store(args, place, x, spans, scales);
}

// The same for `args.rows` of 2 to kRows, all outputs.
template <class Isa, class Type, int kRows>
void SeveralTileRows(const LinearArgs& args, const TileChunkPlace& chunk,
                     typename Type::Scales& scales) {
  if constexpr (kRows > 2) {
    if (args.rows < kRows) {
      return SeveralTileRows<Isa, Type, kRows - 1>(args, chunk, scales);
    }
  }
  constexpr int kPartOutputs = Isa::kLanes * Isa::Vectors(kRows);
  ForConstants<0, kTileRows / kPartOutputs>([&](auto part) {
    FewTileRows<Isa, Type, kRows, decltype(part)::value * kPartOutputs>(args, chunk, scales);
  });
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
  constexpr int kRows = Isa::template Rows<Type>();
  constexpr int kFew = kRows < kFewTileRows ? kRows : kFewTileRows;
  if (args.rows == 1) {
    static_assert(Isa::kLanes * Isa::Vectors(1) == kTileRows);
    return FewTileRows<Isa, Type, 1, 0>(args, chunk, scales);
  }
  // (Where groups of several phases are straight code, compilers call Add for several rows rather
  // than fit it in, and nothing is gained.)
  if constexpr (Type::kPhases == 1) {
    if (args.rows <= kFew) {
      return SeveralTileRows<Isa, Type, kFew>(args, chunk, scales);
    }
  }
  ForTileGroups<Isa, Type>(chunk, scales, [&](const std::byte* tile, int turn, auto phase, int g) {
    for (int quad = 0; quad < kQuads; ++quad) {
      for (int o = 0; o < kTileRows; o += Isa::kLanes) {
        Isa::Store(codes.codes[g][quad] + 4 * o,
                   Type::template Codes<Isa, decltype(phase)::value>(tile, turn, quad, o));
      }
    }
  });
  std::int64_t row = 0;
  for (; row + kRows <= args.rows; row += kRows) {
    TileRows<Isa, Type, kRows>(args, chunk, scales, codes, row);
  }
  if constexpr (kRows > 4) {
    if (row + 4 <= args.rows) {
      TileRows<Isa, Type, 4>(args, chunk, scales, codes, row);
      row += 4;
    }
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
  const std::int64_t bands = args.rows <= kFewTileRows ? kBandsOfFewTileRows : 1;
  for (std::int64_t first = args.output_begin / kTileRows; first < band_end; first += bands) {
    const std::int64_t end = first + bands < band_end ? first + bands : band_end;
    for (std::int64_t group = 0; group < groups; group += kChunkGroups) {
      for (std::int64_t band = first; band < end; ++band) {
        TileChunkOfBand<Isa, Type>(args, band, group, scales, codes);
      }
    }
  }
}

}  // namespace ashlar::internal
