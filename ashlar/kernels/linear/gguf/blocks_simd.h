// What the kernels on GGUF's types in blocks of 256 inputs sum (tiles_simd.h walks the tiles). The
// scales of a block's spans of 16 or 32 inputs are small integers, in units of the block's own:
//
//   w[n, k] = unit[n, b] scale[n, s] (code[n, k] - bias) - least[n, b] minimum[n, s]
//   y[m, n] = sum_b (unit[n, b] codes[m, n, b] - least[n, b] minima[m, n, b])
//   codes[m, n, b] = sum_g xscale[m, g] sum_s scale[n, s] dot[m, n, s]       spans s of group g
//   minima[m, n, b] = sum_g xscale[m, g] sum_s minimum[n, s] xsum[m, s]
//   dot[m, n, s] = sum_i (code[n, i] - bias) qx[m, i]           xsum[m, s] = sum_i qx[m, i]
//
// The sums over spans are integers of at most 24 bits, and exact. Order of the others, the same in
// every block shape: codes and minima begin at 0, and from the first group of the block up,
// codes = fma(float(sum), xscale, codes), minima likewise; from b = 0 up, starting at y = 0,
// y = fma(unit, codes, y), then, for types with minima, y = fma(-least, minima, y).
#pragma once

#include "ashlar/kernels/linear/gguf/tiles_simd.h"

namespace ashlar::internal {

// Of 32 outputs in a block. The scales of four spans are bytes of a dword.
struct alignas(64) BlockScales {
  float unit[kTileRows];
  float minus_least[kTileRows];
  std::uint8_t scale[4][kTileRows * 4];
  std::uint8_t minimum[4][kTileRows * 4];
};

// The sums of each group's spans: one number, or those of two spans in the words of a dword.
template <class Isa, class Type, int kRows>
struct SpanSums {
  std::int32_t sums[kRows][kChunkGroups];

  explicit SpanSums(const TileInputs& x) {
    for (int r = 0; r < kRows; ++r) {
      for (int g = 0; g < kChunkGroups; ++g) {
        sums[r][g] = x.Sum(r, g);
        if constexpr (Type::kSpan != kGroup) {
          const std::uint32_t first = static_cast<std::uint32_t>(Isa::SumOf16(x.Q(r, g)));
          const std::uint32_t second = static_cast<std::uint32_t>(sums[r][g]) - first;
          sums[r][g] = static_cast<std::int32_t>((first & 0xffffU) | second << 16);
        }
      }
    }
  }
};

template <class Isa, class Type, int kRows>
class BlockSums {
 public:
  using Spans = SpanSums<Isa, Type, kRows>;

  BlockSums(const LinearArgs&, const TileBlockPlace&) { SetZero(codes_); }

  // Adds group g of the block, from its output `first` on. `codes(quad, v)` are those of vector v.
  template <class Codes>
  void Add(const TileInputs& x, const Spans& spans, const BlockScales& scales, int first, int g,
           const Codes& codes) {
    typename Isa::template ScaleOf<Type> scale[kVectors];
    ASHLAR_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      scale[v].Read(scales.scale[g * kGroup / Type::kSpan / 4] + 4 * (first + v * Isa::kLanes), g);
    }
    typename Isa::template BlockDots<Type> dots[kRows][kVectors];
    ASHLAR_UNROLL
    for (int r = 0; r < kRows; ++r) {
      ASHLAR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        dots[r][v].Start(spans.sums[r][g]);
      }
    }
    ASHLAR_UNROLL
    for (int quad = 0; quad < kQuads; ++quad) {
      typename Isa::Ints w[kVectors];
      ASHLAR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        w[v] = codes(quad, v);
      }
      ASHLAR_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const auto x4 = Isa::Broadcast4(x.Q(r, g) + 4 * quad);
        ASHLAR_UNROLL
        for (int v = 0; v < kVectors; ++v) {
          dots[r][v].Add(w[v], x4, quad, scale[v]);
        }
      }
    }
    ASHLAR_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const F32 x_scale = F32::Broadcast(x.Scale(r, g));
      ASHLAR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        codes_[r][v] = MulAdd(dots[r][v].Finish(scale[v], spans.sums[r][g]), x_scale, codes_[r][v]);
      }
    }
  }

  void Store(const LinearArgs& args, const TileBlockPlace& place, const TileInputs& x,
             const Spans& spans, const BlockScales& scales) const {
    F32 y[kRows][kVectors];
    LoadTile(args, place, y);
    ASHLAR_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const F32 unit = F32::Load(scales.unit + place.first + v * F32::kLanes);
      ASHLAR_UNROLL
      for (int r = 0; r < kRows; ++r) {
        y[r][v] = MulAdd(unit, codes_[r][v], y[r][v]);
      }
    }
    if constexpr (Type::kMinima) {
      AddMinima(x, spans, scales, place.first, y);
    }
    StoreTile(args, place, y);
  }

 private:
  using F32 = typename Isa::F32;
  static constexpr int kVectors = Isa::Vectors(kRows);

  static void SetZero(F32 (&sums)[kRows][kVectors]) {
    ASHLAR_UNROLL
    for (int r = 0; r < kRows; ++r) {
      ASHLAR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = F32::Zero();
      }
    }
  }

  static void AddMinima(const TileInputs& x, const Spans& spans, const BlockScales& scales,
                        int first, F32 (&y)[kRows][kVectors]) {
    F32 minima[kRows][kVectors];
    SetZero(minima);
    for (int g = 0; g < kChunkGroups; ++g) {
      ASHLAR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        const auto minimum = Isa::template Minima<Type>(
            scales.minimum[g * kGroup / Type::kSpan / 4] + 4 * (first + v * Isa::kLanes), g);
        ASHLAR_UNROLL
        for (int r = 0; r < kRows; ++r) {
          minima[r][v] = MulAdd(Isa::SumsOfWords(minimum, spans.sums[r][g]),
                                F32::Broadcast(x.Scale(r, g)), minima[r][v]);
        }
      }
    }
    ASHLAR_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const F32 minus_least = F32::Load(scales.minus_least + first + v * F32::kLanes);
      ASHLAR_UNROLL
      for (int r = 0; r < kRows; ++r) {
        y[r][v] = MulAdd(minus_least, minima[r][v], y[r][v]);
      }
    }
  }

  F32 codes_[kRows][kVectors];
};

}  // namespace ashlar::internal
