// What the kernels on GGUF's types in groups of 32 inputs sum (tiles_simd.h walks the tiles):
//
//   w[n, k] = scale[n, g] (code[n, k] - bias) + offset[n, g]       scale and offset: f16
//   y[m, n] = sum_g xscale[m, g] (scale[n, g] dot[m, n, g] + offset[n, g] xsum[m, g])
//   dot[m, n, g] = sum_i (code[n, i] - bias) qx[m, i]              an exact integer
//   xsum[m, g] = sum_i qx[m, i]                                    likewise
//
// Order of the sum, the same in every block shape: from g = 0 up, starting at y = 0,
// y = fma(float(dot), scale * xscale, y); then, for types with offsets,
// y = fma(offset, xscale * float(xsum), y).
#pragma once

#include "ashlar/kernels/linear/gguf/tiles_simd.h"

namespace ashlar::internal {

// Of 32 outputs in the groups of a chunk.
template <bool kOffsets>
struct alignas(64) GroupScales {
  float scale[kChunkGroups][kTileRows];
  float offset[kOffsets ? kChunkGroups : 1][kTileRows];
};

template <class Isa, class Type, int kRows>
class GroupSums {
 public:
  GroupSums(const LinearArgs& args, const TileBlockPlace& place) { LoadTile(args, place, y_); }

  struct Spans {
    explicit Spans(const TileInputs&) {}
  };

  // Adds group g of the chunk, from its output `first` on. `codes(quad, v)` are those of vector v.
  template <class Codes>
  void Add(const TileInputs& x, const Spans&, const GroupScales<Type::kOffsets>& scales, int first,
           int g, const Codes& codes) {
    typename Isa::template GroupDots<Type> dots[kRows][kVectors];
    ASHLAR_UNROLL
    for (int r = 0; r < kRows; ++r) {
      ASHLAR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        dots[r][v].Start(x.Sum(r, g));
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
          dots[r][v].Add(w[v], x4, quad);
        }
      }
    }
    ASHLAR_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const F32 x_scale = F32::Broadcast(x.Scale(r, g));
      const F32 scaled = F32::Broadcast(x.Scale(r, g) * static_cast<float>(x.Sum(r, g)));
      ASHLAR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        const int o = first + v * F32::kLanes;
        const F32 both = F32::Load(scales.scale[g] + o) * x_scale;
        y_[r][v] = MulAdd(dots[r][v].Finish(x.Sum(r, g)), both, y_[r][v]);
        if constexpr (Type::kOffsets) {
          y_[r][v] = MulAdd(F32::Load(scales.offset[g] + o), scaled, y_[r][v]);
        }
      }
    }
  }
  void Store(const LinearArgs& args, const TileBlockPlace& place, const TileInputs&, const Spans&,
             const GroupScales<Type::kOffsets>&) const {
    StoreTile(args, place, y_);
  }

 private:
  using F32 = typename Isa::F32;
  static constexpr int kVectors = Isa::Vectors(kRows);
  F32 y_[kRows][kVectors];
};

}  // namespace ashlar::internal
