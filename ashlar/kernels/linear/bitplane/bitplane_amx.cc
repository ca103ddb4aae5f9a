#include "ashlar/kernels/linear/bitplane/bitplane_forms.h"
#include "ashlar/kernels/linear/bitplane/bitplane_tile_avx512.h"
#include "ashlar/kernels/linear/quantized_amx.h"

namespace ashlar::amx {
namespace {

using avx512::HalfStep;
using internal::PlaneTiles;

// vgf2p8affineqb multiplies a matrix of 8 x 8 bits with each of 8 bytes. Of the bytes 1, 2, 4 ...
// 128 it makes the matrix's columns: where the matrix's rows are the planes of 8 codes, the codes.
// (Row r gives bit 7 - r, so the sign is row 0. What the instruction adds is free: the half step.)
//
// What is left is to bring the words of all planes side by side, in a line of a register that
// vpermb then turns into 8 such matrices. kPairs pairs of planes (the last may be without a second)
// make lines of 1, 2 or 4 words of 16 bytes; so 64 codes of 2, 4 and 8 planes take 1.25, 2 and 4
// instructions on the port of shuffles, beside one on the other. Measured from the second-level
// cache, one row on one thread of a busy machine, with the products: 1.2, 1.5, 1.6 and 2.9 ns for
// 64 codes of 2, 3, 4 and 8 planes; q4, which has less to unpack, 0.75.

// Byte 8 * i + row of quad `slot` of a line: byte i of plane `row`.
struct Places {
  alignas(64) std::uint8_t at[64];
};
template <int kPairs>
constexpr Places PlacesOf(int slot) {
  Places places{};
  for (int i = 0; i < 8; ++i) {
    for (int row = 0; row < 2 * kPairs; ++row) {
      // A line has 4 / kPairs quads; pairs outermost.
      const int word = row / 2 * (4 / kPairs) + slot;
      places.at[8 * i + row] = static_cast<std::uint8_t>(16 * word + 8 * (row % 2) + i);
    }
  }
  return places;
}
template <int kPairs>
constexpr Places kPlaces[4] = {PlacesOf<kPairs>(0), PlacesOf<kPairs>(kPairs == 4 ? 0 : 1),
                               PlacesOf<kPairs>(kPairs == 1 ? 2 : 0),
                               PlacesOf<kPairs>(kPairs == 1 ? 3 : 0)};

constexpr int PairsOf(int planes) {
  return planes <= 2 ? 1 : planes <= 4 ? 2 : 4;
}

// The planes' lines of 16 outputs: 8 words, one of each quad.
template <int kPlanes, int kSign, class Out>
[[gnu::always_inline]] inline void UnpackHalf(const PlaneTiles& at, std::int64_t g, int half,
                                              const Out out) {
  constexpr int kPairs = PairsOf(kPlanes);
  const auto line = [&](int plane) __attribute__((always_inline)) {
    return plane < kPlanes ? _mm512_load_si512(at.plane[plane] + 64 * half)
                           : _mm512_setzero_si512();
  };
  const auto store = [&](__m512i words, int slot, int quad) __attribute__((always_inline)) {
    constexpr __mmask64 kRows = ((1u << 2 * kPairs) - 1) * 0x0101010101010101u;
    const __m512i places = _mm512_load_si512(kPlaces<kPairs>[slot].at);
    const __m512i matrices = _mm512_maskz_permutexvar_epi8(kRows, places, words);
    const __m512i columns = _mm512_set1_epi64(static_cast<std::int64_t>(0x8040201008040201u));
    _mm512_store_si512(out.Quad(g, half, quad),
                       _mm512_gf2p8affine_epi64_epi8(columns, matrices, HalfStep(kPlanes) ^ kSign));
  };
  ASHLAR_UNROLL
  for (int odd = 0; odd < 2; ++odd) {
    __m512i pairs[kPairs];  // [quad odd, 2 + odd, 4 + odd, 6 + odd] of two planes
    ASHLAR_UNROLL
    for (int p = 0; p < kPairs; ++p) {
      pairs[p] = odd == 0 ? _mm512_unpacklo_epi64(line(2 * p), line(2 * p + 1))
                          : _mm512_unpackhi_epi64(line(2 * p), line(2 * p + 1));
    }
    if constexpr (kPairs == 1) {
      ASHLAR_UNROLL
      for (int slot = 0; slot < 4; ++slot) {
        store(pairs[0], slot, 2 * slot + odd);
      }
    } else if constexpr (kPairs == 2) {
      const __m512i first = _mm512_shuffle_i64x2(pairs[0], pairs[1], 0x44);
      const __m512i last = _mm512_shuffle_i64x2(pairs[0], pairs[1], 0xee);
      store(first, 0, odd);
      store(first, 1, 2 + odd);
      store(last, 0, 4 + odd);
      store(last, 1, 6 + odd);
    } else {
      const __m512i high[2] = {_mm512_shuffle_i64x2(pairs[0], pairs[1], 0x44),
                               _mm512_shuffle_i64x2(pairs[0], pairs[1], 0xee)};
      const __m512i low[2] = {_mm512_shuffle_i64x2(pairs[2], pairs[3], 0x44),
                              _mm512_shuffle_i64x2(pairs[2], pairs[3], 0xee)};
      ASHLAR_UNROLL
      for (int two = 0; two < 2; ++two) {
        store(_mm512_shuffle_i64x2(high[two], low[two], 0x88), 0, 4 * two + odd);
        store(_mm512_shuffle_i64x2(high[two], low[two], 0xdd), 0, 4 * two + 2 + odd);
      }
    }
  }
}

// kSign: 0 for unsigned bytes, 128 for what they are less 128.
template <int kPlanes, int kSign, class Out>
void UnpackGroups(PlaneTiles& at, const internal::Ahead& ahead, std::int64_t groups,
                  const Out out) {
  for (std::int64_t g = 0; g < groups; ++g) {
    internal::PrefetchPlanes<simd::F32x16, kPlanes>(at, ahead);
    avx512::UnpackScales(at.scales, g, out);
    UnpackHalf<kPlanes, kSign>(at, g, 0, out);
    UnpackHalf<kPlanes, kSign>(at, g, 1, out);
    at.ToNextGroup<kPlanes>();
  }
}

// Few rows.
struct BitplaneForm {
  using F32 = simd::F32x16;
  template <bool kHalf>
  using Tile = avx512::PlanesTile<kHalf>;

  template <int kPlanes>
  static void Unpack(PlaneTiles& at, const internal::Ahead& ahead, std::int64_t groups,
                     std::byte* tiles) {
    UnpackGroups<kPlanes, 0>(at, ahead, groups, avx512::UnpackedTiles{tiles});
  }
};

// Many rows.
template <int kPlanes>
struct PlanesSource {
  static constexpr bool kHalf = kPlanes == BitplaneLayout::kPlanes;
  static constexpr std::int64_t kAheadBytes = 0;  // unpacking asks for what comes

  PlanesSource(const LinearArgs& linear_args, std::int64_t output)
      : args(linear_args),
        band(output / BitplaneLayout::kOutputs),
        at(internal::PlaneTilesOf(args, band)) {}

  struct Places {
    Chunk& chunk;
    std::int8_t* Quad(std::int64_t g, int half, int quad) const {
      return chunk.q[half][g] + 64 * quad;
    }
    float* Scales(std::int64_t g, int half) const { return chunk.scale[half][g]; }
  };
  void Unpack(int groups, Chunk& chunk) {
    const std::int64_t all = args.inputs / kGroup;
    UnpackGroups<kPlanes, 128>(at, internal::AheadOf(args, group, all, 1), groups, Places{chunk});
    group += groups;
  }
  const std::byte* next() const { return nullptr; }
  void Finish() const { internal::ScaleOutputs<simd::F32x16>(args, band); }

  const LinearArgs& args;
  const std::int64_t band;
  PlaneTiles at;
  std::int64_t group = 0;
};

struct ManyRows {
  template <int kPlanes>
  static void Run(const LinearArgs& args) {
    QuantizedLinear<PlanesSource<kPlanes>>(args);
  }
};

}  // namespace

void LinearBitplane(const LinearArgs& args) noexcept {
  if (args.rows < kLeastRows) {
    return internal::BitplaneLinear<BitplaneForm>(args);
  }
  internal::ForPlanes<ManyRows>(args);
}

}  // namespace ashlar::amx
