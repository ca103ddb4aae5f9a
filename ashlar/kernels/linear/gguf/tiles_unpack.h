// How each of GGUF's types in tiles is read (docs/formats/gguf_blocks.md has their bytes), for any
// instruction set. A type says
//
//   kColumns, kTileBytes     inputs and bytes of a tile of 32 outputs
//   kSpan                    inputs that share a scale
//   kBias, kMaxCode          codes are 0 to kMaxCode; what they stand for is kBias less
//   kSigned                  codes are from -127 to 127 instead, with no bias
//   kOffsets                 it has offsets
//   Codes<Isa, g>(tile, quad, o)    inputs 4 quad to 4 quad + 3 of group g of the tile, of outputs
//   o
//                                   to o + kLanes - 1
//   Scales<Isa>(tile, o, g, out)    the scales and offsets of these outputs -> group g of `out` and
//                                   those after it
//
// Four bytes of an output stand together in a tile, so a register of dwords holds the same four
// inputs of several outputs, before unpacking and after.
#pragma once

#include "ashlar/codec/gguf/block_types.h"
#include "ashlar/kernels/linear/gguf/tiles_simd.h"

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

// Writes four scales (or offsets): `unit` times each byte of the dwords less `bias`, for the
// outputs from o on of the spans at `first`: those of a group, and of the groups after it.
template <class Isa, bool kSigned>
void PutBytes(typename Isa::F32 unit, typename Isa::Ints bytes, int bias, int o,
              float (*first)[kTileRows]) {
  const auto put = [&](typename Isa::Ints number, int i) {
    (unit * Isa::ToF32(Isa::Sub32(number, Isa::Dwords(bias)))).Store(first[i] + o);
  };
  put(Isa::template ByteOfDwords<0, kSigned>(bytes), 0);
  put(Isa::template ByteOfDwords<1, kSigned>(bytes), 1);
  put(Isa::template ByteOfDwords<2, kSigned>(bytes), 2);
  put(Isa::template ByteOfDwords<3, kSigned>(bytes), 3);
}

template <class Isa>
typename Isa::F32 Negated(typename Isa::F32 x) {
  return Isa::F32::Zero() - x;
}

// ---- Groups of 32 inputs: 16 bytes hold the nibbles of inputs 0 to 15 (low) and 16 to 31 (high).

template <class Isa>
typename Isa::Ints HalfNibbles(const std::byte* tile, int begin, int quad, int o) {
  const auto both = Dwords<Isa>(tile, begin, quad % 4, o);
  return quad < 4 ? BitsOfBytes<Isa, 0, 4>(both) : BitsOfBytes<Isa, 4, 4>(both);
}

struct TilesOfGroups {
  static constexpr int kColumns = 32;
  static constexpr int kSpan = 32;
  static constexpr int kBias = 0;
  static constexpr int kMaxCode = 15;
  static constexpr bool kSigned = false;
  static constexpr bool kOffsets = false;

  // An f16 scale at byte 0.
  template <class Isa, class Out>
  static void Scales(const std::byte* tile, int o, int g, Out& out) {
    Halves<Isa>(tile, 0, o).Store(out.scale[g] + o);
  }
};
// And an f16 offset at byte 2.
struct TilesWithOffsets : TilesOfGroups {
  static constexpr bool kOffsets = true;

  template <class Isa, class Out>
  static void Scales(const std::byte* tile, int o, int g, Out& out) {
    Halves<Isa>(tile, 0, o).Store(out.scale[g] + o);
    Halves<Isa>(tile, 2, o).Store(out.offset[g] + o);
  }
};

struct TilesQ4_1 : TilesWithOffsets {
  static constexpr int kTileBytes = 32 * 20;
  template <class Isa, int>
  static typename Isa::Ints Codes(const std::byte* tile, int quad, int o) {
    return HalfNibbles<Isa>(tile, 4, quad, o);
  }
};

// The fifth bits of 32 inputs are a dword.
struct TilesQ5_0 : TilesOfGroups {
  static constexpr int kTileBytes = 32 * 22;
  static constexpr int kBias = 16;
  static constexpr int kMaxCode = 31;
  template <class Isa, int>
  static typename Isa::Ints Codes(const std::byte* tile, int quad, int o) {
    return Isa::Or(HalfNibbles<Isa>(tile, 6, quad, o),
                   Isa::SixteenWhereSet(Dwords<Isa>(tile, 2, 0, o), quad));
  }
};
struct TilesQ5_1 : TilesWithOffsets {
  static constexpr int kTileBytes = 32 * 24;
  static constexpr int kMaxCode = 31;
  template <class Isa, int>
  static typename Isa::Ints Codes(const std::byte* tile, int quad, int o) {
    return Isa::Or(HalfNibbles<Isa>(tile, 8, quad, o),
                   Isa::SixteenWhereSet(Dwords<Isa>(tile, 4, 0, o), quad));
  }
};

struct TilesIq4Nl : TilesOfGroups {
  static constexpr int kTileBytes = 32 * 18;
  static constexpr bool kSigned = true;
  template <class Isa, int>
  static typename Isa::Ints Codes(const std::byte* tile, int quad, int o) {
    return Isa::LookUp(Isa::Table(kIq4Values, 0), HalfNibbles<Isa>(tile, 2, quad, o));
  }
};

struct TilesMxfp4 : TilesOfGroups {
  static constexpr int kTileBytes = 32 * 17;
  static constexpr int kBias = 12;
  static constexpr int kMaxCode = 24;
  template <class Isa, int>
  static typename Isa::Ints Codes(const std::byte* tile, int quad, int o) {
    return Isa::LookUp(Isa::Table(kMxfp4Values, kBias), HalfNibbles<Isa>(tile, 1, quad, o));
  }
  // Half of 2^(e - 127); of e = 0, which is half of 2^-127, the bits are no shifted e.
  template <class Isa, class Out>
  static void Scales(const std::byte* tile, int o, int g, Out& out) {
    const auto bits = Isa::template ShiftLeft32<23>(Isa::LoadBytes(tile + o));
    const auto power = Isa::AsF32(Isa::Max32(bits, Isa::Dwords(0x00400000)));
    (power * Isa::F32::Broadcast(0.5f)).Store(out.scale[g] + o);
  }
};

// ---- Blocks of 256 inputs.

struct TilesOfBlocks {
  static constexpr int kColumns = 256;
  static constexpr int kSpan = 16;
  static constexpr int kBias = 0;
  static constexpr int kMaxCode = 15;
  static constexpr bool kSigned = false;
  static constexpr bool kOffsets = false;
};

// Two bits of each input: inputs i, i + 32, i + 64 and i + 96 of each 128 in a byte.
template <class Isa, int kGroupNumber>
typename Isa::Ints TwoBits(const std::byte* tile, int begin, int quad, int o) {
  return BitsOfBytes<Isa, 2 * (kGroupNumber % 4), 2>(
      Dwords<Isa>(tile, begin, 8 * (kGroupNumber / 4) + quad, o));
}
// Four bits: inputs i and i + 32 of each 64 in a byte.
template <class Isa, int kGroupNumber>
typename Isa::Ints FourBits(const std::byte* tile, int begin, int quad, int o) {
  return BitsOfBytes<Isa, 4 * (kGroupNumber % 2), 4>(
      Dwords<Isa>(tile, begin, 8 * (kGroupNumber / 2) + quad, o));
}

struct TilesQ2K : TilesOfBlocks {
  static constexpr int kTileBytes = 32 * 84;
  static constexpr int kMaxCode = 3;
  static constexpr bool kOffsets = true;
  template <class Isa, int kGroupNumber>
  static typename Isa::Ints Codes(const std::byte* tile, int quad, int o) {
    return TwoBits<Isa, kGroupNumber>(tile, 16, quad, o);
  }
  template <class Isa, class Out>
  static void Scales(const std::byte* tile, int o, int g, Out& out) {
    const auto scale = Halves<Isa>(tile, 80, o);
    const auto minimum = Negated<Isa>(Halves<Isa>(tile, 82, o));
    for (int k = 0; k < 4; ++k) {
      const auto both = Dwords<Isa>(tile, 0, k, o);
      PutBytes<Isa, false>(scale, BitsOfBytes<Isa, 0, 4>(both), 0, o, out.scale + 2 * (g + 2 * k));
      PutBytes<Isa, false>(minimum, BitsOfBytes<Isa, 4, 4>(both), 0, o,
                           out.offset + 2 * (g + 2 * k));
    }
  }
};

struct TilesQ3K : TilesOfBlocks {
  static constexpr int kTileBytes = 32 * 110;
  static constexpr int kBias = 4;
  static constexpr int kMaxCode = 7;
  template <class Isa, int kGroupNumber>
  static typename Isa::Ints Codes(const std::byte* tile, int quad, int o) {
    return Isa::Or(TwoBits<Isa, kGroupNumber>(tile, 32, quad, o),
                   MoveBit<Isa, kGroupNumber, 2>(Dwords<Isa>(tile, 0, quad, o)));
  }
  template <class Isa, class Out>
  static void Scales(const std::byte* tile, int o, int g, Out& out) {
    const auto scale = Halves<Isa>(tile, 108, o);
    const auto low0 = Dwords<Isa>(tile, 96, 0, o);
    const auto low1 = Dwords<Isa>(tile, 96, 1, o);
    const auto high = Dwords<Isa>(tile, 96, 2, o);
    const auto mask = Isa::Bytes(0x30);
    const auto put = [&](auto low, auto moved, int group) {
      PutBytes<Isa, false>(scale, Isa::Or(low, Isa::And(moved, mask)), 32, o,
                           out.scale + 2 * (g + group));
    };
    put(BitsOfBytes<Isa, 0, 4>(low0), Isa::template ShiftRight16<-4>(high), 0);
    put(BitsOfBytes<Isa, 0, 4>(low1), Isa::template ShiftRight16<-2>(high), 2);
    put(BitsOfBytes<Isa, 4, 4>(low0), high, 4);
    put(BitsOfBytes<Isa, 4, 4>(low1), Isa::template ShiftRight16<2>(high), 6);
  }
};

// Q4_K and Q5_K: eight scales and minima of 6 bits at byte 4.
struct TilesOfSixBitScales : TilesOfBlocks {
  static constexpr int kSpan = 32;
  static constexpr bool kOffsets = true;
  template <class Isa, class Out>
  static void Scales(const std::byte* tile, int o, int g, Out& out) {
    const auto scale = Halves<Isa>(tile, 0, o);
    const auto minimum = Negated<Isa>(Halves<Isa>(tile, 2, o));
    const auto scales = Dwords<Isa>(tile, 4, 0, o);
    const auto minima = Dwords<Isa>(tile, 4, 1, o);
    const auto nibbles = Dwords<Isa>(tile, 4, 2, o);
    const auto upper = [](auto x) {  // the two bits that the first four leave free
      return Isa::And(Isa::template ShiftRight16<2>(x), Isa::Bytes(0x30));
    };
    PutBytes<Isa, false>(scale, BitsOfBytes<Isa, 0, 6>(scales), 0, o, out.scale + g);
    PutBytes<Isa, false>(minimum, BitsOfBytes<Isa, 0, 6>(minima), 0, o, out.offset + g);
    PutBytes<Isa, false>(scale, Isa::Or(BitsOfBytes<Isa, 0, 4>(nibbles), upper(scales)), 0, o,
                         out.scale + g + 4);
    PutBytes<Isa, false>(minimum, Isa::Or(BitsOfBytes<Isa, 4, 4>(nibbles), upper(minima)), 0, o,
                         out.offset + g + 4);
  }
};

struct TilesQ4K : TilesOfSixBitScales {
  static constexpr int kTileBytes = 32 * 144;
  template <class Isa, int kGroupNumber>
  static typename Isa::Ints Codes(const std::byte* tile, int quad, int o) {
    return FourBits<Isa, kGroupNumber>(tile, 16, quad, o);
  }
};
struct TilesQ5K : TilesOfSixBitScales {
  static constexpr int kTileBytes = 32 * 176;
  static constexpr int kMaxCode = 31;
  template <class Isa, int kGroupNumber>
  static typename Isa::Ints Codes(const std::byte* tile, int quad, int o) {
    return Isa::Or(FourBits<Isa, kGroupNumber>(tile, 48, quad, o),
                   MoveBit<Isa, kGroupNumber, 4>(Dwords<Isa>(tile, 16, quad, o)));
  }
};

struct TilesQ6K : TilesOfBlocks {
  static constexpr int kTileBytes = 32 * 210;
  static constexpr int kBias = 32;
  static constexpr int kMaxCode = 63;
  // Low nibbles: inputs i and i + 64 of each 128 in a byte.
  template <class Isa, int kGroupNumber>
  static typename Isa::Ints Codes(const std::byte* tile, int quad, int o) {
    constexpr int kInHalf = kGroupNumber % 4;
    const auto low = BitsOfBytes<Isa, 4 * (kInHalf / 2), 4>(
        Dwords<Isa>(tile, 0, 16 * (kGroupNumber / 4) + 8 * (kInHalf % 2) + quad, o));
    const auto top = Dwords<Isa>(tile, 128, 8 * (kGroupNumber / 4) + quad, o);
    return Isa::Or(low,
                   Isa::And(Isa::template ShiftRight16<2 * kInHalf - 4>(top), Isa::Bytes(0x30)));
  }
  template <class Isa, class Out>
  static void Scales(const std::byte* tile, int o, int g, Out& out) {
    const auto scale = Halves<Isa>(tile, 208, o);
    for (int k = 0; k < 4; ++k) {
      PutBytes<Isa, true>(scale, Dwords<Isa>(tile, 192, k, o), 0, o, out.scale + 2 * (g + 2 * k));
    }
  }
};

struct TilesIq4Xs : TilesOfBlocks {
  static constexpr int kTileBytes = 32 * 136;
  static constexpr int kSpan = 32;
  static constexpr bool kSigned = true;
  template <class Isa, int kGroupNumber>
  static typename Isa::Ints Codes(const std::byte* tile, int quad, int o) {
    return Isa::LookUp(Isa::Table(kIq4Values, 0),
                       HalfNibbles<Isa>(tile, 8 + 16 * kGroupNumber, quad, o));
  }
  template <class Isa, class Out>
  static void Scales(const std::byte* tile, int o, int g, Out& out) {
    const auto scale = Halves<Isa>(tile, 0, o);
    const auto high = Isa::LoadWords(tile + kTileRows * 2 + 2 * o);
    const auto low = Dwords<Isa>(tile, 4, 0, o);
    ForGroups<0, kChunkGroups>([&](auto number) {
      constexpr int kNumber = decltype(number)::value;
      const auto four = Isa::And(Isa::template ShiftRight32<4 * kNumber>(low), Isa::Dwords(15));
      const auto two = Isa::And(Isa::template ShiftRight32<2 * kNumber>(high), Isa::Dwords(3));
      const auto bits = Isa::Or(four, Isa::template ShiftLeft32<4>(two));
      (scale * Isa::ToF32(Isa::Sub32(bits, Isa::Dwords(32)))).Store(out.scale[g + kNumber] + o);
    });
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
