// How each of GGUF's types in tiles is read (docs/formats/gguf_blocks.md has their bytes), for any
// instruction set. A type says
//
//   kColumns, kTileBytes     inputs and bytes of a tile of 32 outputs
//   kReadsEndFirst           its first group reads from the middle and the end of a tile as well,
//                            farther on than a row asks ahead
//   kPhases                  groups whose codes are taken out alike, turn by turn: those of phase p
//                            are group p, p + kPhases, ... of the tile
//   kBias, kMaxCode          codes are 0 to kMaxCode; what they stand for is kBias less
//   kSigned                  codes are from -127 to 127 instead, with no bias
//   Codes<Isa, phase>(tile, turn, quad, o)
//                            inputs 4 quad to 4 quad + 3 of a group, of outputs o to o + kLanes - 1
//   Scales, ReadScales<Isa>(tile, o, g, out)
//                            the scales of these outputs -> group g of `out` and those after it
//   kSpan                    inputs that share a scale
//   Sums<Isa, rows>          what is done with them: groups_simd.h, blocks_simd.h
//
// of groups, kOffsets: it has offsets; of blocks
//
//   kSignedScales            scales are from -128 to 127; else from 0 to 127
//   kMinima                  it has minima
//
// Four bytes of an output stand together in a tile, so a register of dwords holds the same four
// inputs of several outputs, before unpacking and after.
#pragma once

#include "ashlar/codec/gguf/block_types.h"
#include "ashlar/kernels/linear/gguf/blocks_simd.h"
#include "ashlar/kernels/linear/gguf/groups_simd.h"

namespace ashlar::internal {

// Dword k of the field that begins at byte `begin` of a block.
template <class Isa>
typename Isa::Ints Dwords(const std::byte* tile, int begin, int k, int o) {
  return Isa::Load(tile + kTileRows * begin + (kTileRows * k + o) * 4);
}
// An f16 at byte `begin` of a block.
template <class Isa>
typename Isa::F32 Halves(const std::byte* tile, int begin, int o) {
  return Isa::LoadHalves(tile + kTileRows * begin + 2 * o);
}

// `kBits` bits from bit `kShift` up of each byte.
template <class Isa, int kShift, int kBits>
typename Isa::Ints BitsOfBytes(typename Isa::Ints x) {
  return Isa::And(Isa::template ShiftRight16<kShift>(x), Isa::Bytes((1 << kBits) - 1));
}
// Bit `kBit` of each byte, as bit `kTo`.
template <class Isa, int kBit, int kTo>
typename Isa::Ints MoveBit(typename Isa::Ints x) {
  return Isa::And(Isa::template ShiftRight16<kBit - kTo>(x), Isa::Bytes(1 << kTo));
}

// ---- Groups of 32 inputs: 16 bytes hold the nibbles of inputs 0 to 15 (low) and 16 to 31 (high).

template <class Isa>
typename Isa::Ints HalfNibbles(const std::byte* tile, int begin, int quad, int o) {
  const auto both = Dwords<Isa>(tile, begin, quad % 4, o);
  return quad < 4 ? BitsOfBytes<Isa, 0, 4>(both) : BitsOfBytes<Isa, 4, 4>(both);
}

template <bool kWithOffsets>
struct TilesOfGroups {
  static constexpr int kColumns = 32;
  static constexpr bool kReadsEndFirst = false;
  static constexpr int kSpan = 32;
  static constexpr int kPhases = 1;
  static constexpr int kBias = 0;
  static constexpr int kMaxCode = 15;
  static constexpr bool kSigned = false;
  static constexpr bool kOffsets = kWithOffsets;
  using Scales = GroupScales<kOffsets>;

  // An f16 scale at byte 0, and an f16 offset at byte 2.
  template <class Isa>
  static void ReadScales(const std::byte* tile, int o, int g, Scales& out) {
    Halves<Isa>(tile, 0, o).Store(out.scale[g] + o);
    if constexpr (kOffsets) {
      Halves<Isa>(tile, 2, o).Store(out.offset[g] + o);
    }
  }
};

struct TilesQ4_1 : TilesOfGroups<true> {
  template <class Isa, int kRows>
  using Sums = GroupSums<Isa, TilesQ4_1, kRows>;
  static constexpr int kTileBytes = 32 * 20;
  template <class Isa, int>
  static typename Isa::Ints Codes(const std::byte* tile, int, int quad, int o) {
    return HalfNibbles<Isa>(tile, 4, quad, o);
  }
};

// The fifth bits of 32 inputs are a dword.
struct TilesQ5_0 : TilesOfGroups<false> {
  template <class Isa, int kRows>
  using Sums = GroupSums<Isa, TilesQ5_0, kRows>;
  static constexpr int kTileBytes = 32 * 22;
  static constexpr int kBias = 16;
  static constexpr int kMaxCode = 31;
  template <class Isa, int>
  static typename Isa::Ints Codes(const std::byte* tile, int, int quad, int o) {
    return Isa::Or(HalfNibbles<Isa>(tile, 6, quad, o),
                   Isa::SixteenWhereSet(Dwords<Isa>(tile, 2, 0, o), quad));
  }
};
struct TilesQ5_1 : TilesOfGroups<true> {
  template <class Isa, int kRows>
  using Sums = GroupSums<Isa, TilesQ5_1, kRows>;
  static constexpr int kTileBytes = 32 * 24;
  static constexpr int kMaxCode = 31;
  template <class Isa, int>
  static typename Isa::Ints Codes(const std::byte* tile, int, int quad, int o) {
    return Isa::Or(HalfNibbles<Isa>(tile, 8, quad, o),
                   Isa::SixteenWhereSet(Dwords<Isa>(tile, 4, 0, o), quad));
  }
};

struct TilesIq4Nl : TilesOfGroups<false> {
  template <class Isa, int kRows>
  using Sums = GroupSums<Isa, TilesIq4Nl, kRows>;
  static constexpr int kTileBytes = 32 * 18;
  static constexpr bool kSigned = true;
  template <class Isa, int>
  static typename Isa::Ints Codes(const std::byte* tile, int, int quad, int o) {
    return Isa::LookUp(Isa::Table(kIq4Values, 0), HalfNibbles<Isa>(tile, 2, quad, o));
  }
};

struct TilesMxfp4 : TilesOfGroups<false> {
  template <class Isa, int kRows>
  using Sums = GroupSums<Isa, TilesMxfp4, kRows>;
  static constexpr int kTileBytes = 32 * 17;
  static constexpr int kBias = 12;
  static constexpr int kMaxCode = 24;
  template <class Isa, int>
  static typename Isa::Ints Codes(const std::byte* tile, int, int quad, int o) {
    return Isa::LookUp(Isa::Table(kMxfp4Values, kBias), HalfNibbles<Isa>(tile, 1, quad, o));
  }
  // Half of 2^(e - 127); of e = 0, which is half of 2^-127, the bits are no shifted e.
  template <class Isa>
  static void ReadScales(const std::byte* tile, int o, int g, Scales& out) {
    const auto bits = Isa::template ShiftLeft32<23>(Isa::LoadBytes(tile + o));
    const auto power = Isa::AsF32(Isa::Max32(bits, Isa::Dwords(0x00400000)));
    (power * Isa::F32::Broadcast(0.5f)).Store(out.scale[g] + o);
  }
};

// ---- Blocks of 256 inputs.

struct TilesOfBlocks {
  static constexpr int kColumns = 256;
  static constexpr bool kReadsEndFirst = false;
  static constexpr int kSpan = 16;
  static constexpr int kBias = 0;
  static constexpr int kMaxCode = 15;
  static constexpr bool kSigned = false;
  static constexpr bool kSignedScales = false;
  static constexpr bool kMinima = false;
  using Scales = BlockScales;
};

// Writes the unit (an f16 at byte `begin` of a block), or how much less is the least.
template <class Isa>
void PutUnit(const std::byte* tile, int begin, int o, BlockScales& out) {
  Halves<Isa>(tile, begin, o).Store(out.unit + o);
}
template <class Isa>
void PutLeast(const std::byte* tile, int begin, int o, BlockScales& out) {
  (Isa::F32::Zero() - Halves<Isa>(tile, begin, o)).Store(out.minus_least + o);
}

// Two bits of each input: inputs i, i + 32, i + 64 and i + 96 of each 128 in a byte, of which these
// are the half-th.
template <class Isa, int kInHalf>
typename Isa::Ints TwoBits(const std::byte* tile, int begin, int half, int quad, int o) {
  return BitsOfBytes<Isa, 2 * kInHalf, 2>(Dwords<Isa>(tile, begin, 8 * half + quad, o));
}
// Four bits: inputs i and i + 32 of each 64 in a byte.
template <class Isa, int kInQuarter>
typename Isa::Ints FourBits(const std::byte* tile, int begin, int quarter, int quad, int o) {
  return BitsOfBytes<Isa, 4 * kInQuarter, 4>(Dwords<Isa>(tile, begin, 8 * quarter + quad, o));
}

struct TilesQ2K : TilesOfBlocks {
  static constexpr int kTileBytes = 32 * 84;
  static constexpr int kPhases = 4;
  static constexpr int kMaxCode = 3;
  static constexpr bool kMinima = true;
  template <class Isa, int kRows>
  using Sums = BlockSums<Isa, TilesQ2K, kRows>;
  template <class Isa, int kPhase>
  static typename Isa::Ints Codes(const std::byte* tile, int turn, int quad, int o) {
    return TwoBits<Isa, kPhase>(tile, 16, turn, quad, o);
  }
  template <class Isa>
  static void ReadScales(const std::byte* tile, int o, int, Scales& out) {
    PutUnit<Isa>(tile, 80, o, out);
    PutLeast<Isa>(tile, 82, o, out);
    for (int k = 0; k < 4; ++k) {
      const auto both = Dwords<Isa>(tile, 0, k, o);
      Isa::Store(out.scale[k] + 4 * o, BitsOfBytes<Isa, 0, 4>(both));
      Isa::Store(out.minimum[k] + 4 * o, BitsOfBytes<Isa, 4, 4>(both));
    }
  }
};

struct TilesQ3K : TilesOfBlocks {
  static constexpr int kTileBytes = 32 * 110;
  static constexpr int kPhases = 8;
  static constexpr int kBias = 4;
  static constexpr int kMaxCode = 7;
  static constexpr bool kSignedScales = true;
  template <class Isa, int kRows>
  using Sums = BlockSums<Isa, TilesQ3K, kRows>;
  template <class Isa, int kPhase>
  static typename Isa::Ints Codes(const std::byte* tile, int, int quad, int o) {
    return Isa::Or(TwoBits<Isa, kPhase % 4>(tile, 32, kPhase / 4, quad, o),
                   MoveBit<Isa, kPhase, 2>(Dwords<Isa>(tile, 0, quad, o)));
  }
  template <class Isa>
  static void ReadScales(const std::byte* tile, int o, int, Scales& out) {
    PutUnit<Isa>(tile, 108, o, out);
    const auto low0 = Dwords<Isa>(tile, 96, 0, o);
    const auto low1 = Dwords<Isa>(tile, 96, 1, o);
    const auto high = Dwords<Isa>(tile, 96, 2, o);
    const auto put = [&](int k, auto low, auto moved) {
      const auto six = Isa::Or(low, Isa::And(moved, Isa::Bytes(0x30)));
      Isa::Store(out.scale[k] + 4 * o, Isa::Sub8(six, Isa::Bytes(32)));
    };
    put(0, BitsOfBytes<Isa, 0, 4>(low0), Isa::template ShiftRight16<-4>(high));
    put(1, BitsOfBytes<Isa, 0, 4>(low1), Isa::template ShiftRight16<-2>(high));
    put(2, BitsOfBytes<Isa, 4, 4>(low0), high);
    put(3, BitsOfBytes<Isa, 4, 4>(low1), Isa::template ShiftRight16<2>(high));
  }
};

// Q4_K and Q5_K: eight scales and minima of 6 bits at byte 4.
struct TilesOfSixBitScales : TilesOfBlocks {
  static constexpr int kSpan = 32;
  static constexpr bool kMinima = true;
  template <class Isa>
  static void ReadScales(const std::byte* tile, int o, int, Scales& out) {
    PutUnit<Isa>(tile, 0, o, out);
    PutLeast<Isa>(tile, 2, o, out);
    const auto scales = Dwords<Isa>(tile, 4, 0, o);
    const auto minima = Dwords<Isa>(tile, 4, 1, o);
    const auto nibbles = Dwords<Isa>(tile, 4, 2, o);
    const auto upper = [](auto x) {  // the two bits that the first four leave free
      return Isa::And(Isa::template ShiftRight16<2>(x), Isa::Bytes(0x30));
    };
    Isa::Store(out.scale[0] + 4 * o, BitsOfBytes<Isa, 0, 6>(scales));
    Isa::Store(out.scale[1] + 4 * o, Isa::Or(BitsOfBytes<Isa, 0, 4>(nibbles), upper(scales)));
    Isa::Store(out.minimum[0] + 4 * o, BitsOfBytes<Isa, 0, 6>(minima));
    Isa::Store(out.minimum[1] + 4 * o, Isa::Or(BitsOfBytes<Isa, 4, 4>(nibbles), upper(minima)));
  }
};

struct TilesQ4K : TilesOfSixBitScales {
  static constexpr int kTileBytes = 32 * 144;
  static constexpr int kPhases = 2;
  template <class Isa, int kRows>
  using Sums = BlockSums<Isa, TilesQ4K, kRows>;
  template <class Isa, int kPhase>
  static typename Isa::Ints Codes(const std::byte* tile, int turn, int quad, int o) {
    return FourBits<Isa, kPhase>(tile, 16, turn, quad, o);
  }
};
struct TilesQ5K : TilesOfSixBitScales {
  static constexpr int kTileBytes = 32 * 176;
  static constexpr int kPhases = 8;
  static constexpr int kMaxCode = 31;
  template <class Isa, int kRows>
  using Sums = BlockSums<Isa, TilesQ5K, kRows>;
  template <class Isa, int kPhase>
  static typename Isa::Ints Codes(const std::byte* tile, int, int quad, int o) {
    return Isa::Or(FourBits<Isa, kPhase % 2>(tile, 48, kPhase / 2, quad, o),
                   MoveBit<Isa, kPhase, 4>(Dwords<Isa>(tile, 16, quad, o)));
  }
};

struct TilesQ6K : TilesOfBlocks {
  static constexpr int kTileBytes = 32 * 210;
  static constexpr bool kReadsEndFirst = true;
  static constexpr int kPhases = 4;
  static constexpr int kBias = 32;
  static constexpr int kMaxCode = 63;
  static constexpr bool kSignedScales = true;
  template <class Isa, int kRows>
  using Sums = BlockSums<Isa, TilesQ6K, kRows>;
  // Low nibbles: inputs i and i + 64 of each 128 in a byte.
  template <class Isa, int kPhase>
  static typename Isa::Ints Codes(const std::byte* tile, int turn, int quad, int o) {
    const auto low = BitsOfBytes<Isa, 4 * (kPhase / 2), 4>(
        Dwords<Isa>(tile, 0, 16 * turn + 8 * (kPhase % 2) + quad, o));
    const auto top = Dwords<Isa>(tile, 128, 8 * turn + quad, o);
    return Isa::Or(low,
                   Isa::And(Isa::template ShiftRight16<2 * kPhase - 4>(top), Isa::Bytes(0x30)));
  }
  template <class Isa>
  static void ReadScales(const std::byte* tile, int o, int, Scales& out) {
    PutUnit<Isa>(tile, 208, o, out);
    for (int k = 0; k < 4; ++k) {
      Isa::Store(out.scale[k] + 4 * o, Dwords<Isa>(tile, 192, k, o));
    }
  }
};

struct TilesIq4Xs : TilesOfBlocks {
  static constexpr int kTileBytes = 32 * 136;
  static constexpr int kPhases = 1;
  static constexpr int kSpan = 32;
  static constexpr bool kSigned = true;
  static constexpr bool kSignedScales = true;
  template <class Isa, int kRows>
  using Sums = BlockSums<Isa, TilesIq4Xs, kRows>;
  template <class Isa, int>
  static typename Isa::Ints Codes(const std::byte* tile, int turn, int quad, int o) {
    return Isa::LookUp(Isa::Table(kIq4Values, 0), HalfNibbles<Isa>(tile, 8 + 16 * turn, quad, o));
  }
  // Scales of 6 bits, of which a dword has the lower four of all groups and a word the others.
  template <class Isa>
  static void ReadScales(const std::byte* tile, int o, int, Scales& out) {
    PutUnit<Isa>(tile, 0, o, out);
    const auto low = Dwords<Isa>(tile, 4, 0, o);
    const auto high = Isa::LoadWords(tile + kTileRows * 2 + 2 * o);
    const auto put = [&](int k, auto four, auto two) {  // those of four groups, in the low bits
      four = Isa::And(Isa::Or(four, Isa::template ShiftLeft32<8>(four)), Isa::Dwords(0x00ff00ff));
      four = Isa::And(Isa::Or(four, Isa::template ShiftLeft32<4>(four)), Isa::Dwords(0x0f0f0f0f));
      two = Isa::And(Isa::Or(two, Isa::template ShiftLeft32<12>(two)), Isa::Dwords(0x000f000f));
      two = Isa::And(Isa::Or(two, Isa::template ShiftLeft32<6>(two)), Isa::Dwords(0x03030303));
      const auto six = Isa::Or(four, Isa::template ShiftLeft32<4>(two));
      Isa::Store(out.scale[k] + 4 * o, Isa::Sub8(six, Isa::Bytes(32)));
    };
    put(0, Isa::And(low, Isa::Dwords(0xffff)), Isa::And(high, Isa::Dwords(0xff)));
    put(1, Isa::template ShiftRight32<16>(low), Isa::template ShiftRight32<8>(high));
  }
};

// ---- Which is whose.

template <const BlockType& kType>
struct TilesOf;
template <>
struct TilesOf<kQ4_1Blocks> : TilesQ4_1 {};
template <>
struct TilesOf<kQ5_0Blocks> : TilesQ5_0 {};
template <>
struct TilesOf<kQ5_1Blocks> : TilesQ5_1 {};
template <>
struct TilesOf<kIq4NlBlocks> : TilesIq4Nl {};
template <>
struct TilesOf<kMxfp4Blocks> : TilesMxfp4 {};
template <>
struct TilesOf<kQ2KBlocks> : TilesQ2K {};
template <>
struct TilesOf<kQ3KBlocks> : TilesQ3K {};
template <>
struct TilesOf<kQ4KBlocks> : TilesQ4K {};
template <>
struct TilesOf<kQ5KBlocks> : TilesQ5K {};
template <>
struct TilesOf<kQ6KBlocks> : TilesQ6K {};
template <>
struct TilesOf<kIq4XsBlocks> : TilesIq4Xs {};

}  // namespace ashlar::internal
