// The integer kernels of many rows, with a band unpacked.
//
// A band's weights are unpacked once for all rows, some groups at a time, to the first-level cache,
// as the tile multiplies them: what a block of rows then does besides products is a load for each
// vector of weights. Where a product is an instruction (AVX-VNNI) that gains little, and where
// rows come from the second-level cache, a quarter; where it is two or three, and takes registers
// besides, the steps of a group are a loop, around which the floats leave the registers: unrolled,
// compilers keep some of them and let the sums of products go instead (4 x 2 sums: 118 of 813
// instructions moved them, and each sum waited for its own store).
//
// The sum and its order are those of quantized_simd.h.
#pragma once

#include <cstdint>

#include "ashlar/kernels/linear/quantized_simd.h"

namespace ashlar::internal {

// A group of a band as `T` multiplies it: w[i][v] has the quad of inputs i of the v-th kLanes
// outputs.
template <class T>
struct KeptGroup {
  alignas(64) float scale[kBandOutputs];
  typename T::Weights w[kQuadsOfGroup][kBandOutputs / T::F32::kLanes];

  // The weights of part `part` of a quad, two vectors.
  void Set(int quad, int part, const typename T::Weights (&two)[2]) {
    w[quad][T::Output(part, 0) / T::F32::kLanes] = two[0];
    w[quad][T::Output(part, 1) / T::F32::kLanes] = two[1];
  }
};

// A `Source` of such groups. `T` says besides whether the steps of a group are a loop:
// kStepsAreALoop.
template <class T>
class KeptTiles {
 public:
  using Tile = T;
  static constexpr int kBands = 1;
  static constexpr bool kStepsAreALoop = T::kStepsAreALoop;
  static constexpr int Quad(int step) { return step; }

  explicit KeptTiles(const KeptGroup<T>* groups) : group_(groups) {}

  template <int kVectors>
  void Load(int, int step, int part, typename T::Weights (&w)[kVectors]) const {
    ASHLAR_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      w[v] = group_->w[step][T::Output(part, v) / T::F32::kLanes];
    }
  }
  typename T::F32 Scales(int, int output, float x_scale) const {
    return T::F32::Load(group_->scale + output) * T::F32::Broadcast(x_scale);
  }
  void Prefetch(int) const {}
  void Next() { ++group_; }

 private:
  const KeptGroup<T>* group_;
};

// All rows of one band. `packed` is at its first group; Keep(group) unpacks the one it is at,
// Next() goes on, PrefetchGroup(n) asks for the n-th from there.
template <class Tile, class Packed>
void KeptBand(const LinearArgs& args, Packed packed, std::int64_t band) {
  constexpr std::int64_t kRows = Tile::kMaxRows;
  constexpr std::int64_t kGroups = 18432 / sizeof(KeptGroup<Tile>);
  KeptGroup<Tile> kept[kGroups];
  const std::int64_t groups = args.inputs / kGroup;
  for (std::int64_t g = 0; g < groups; g += kGroups) {
    const std::int64_t count = groups - g < kGroups ? groups - g : kGroups;
    for (std::int64_t i = 0; i < count; ++i) {
      packed.Keep(kept[i]);
      packed.Next();
    }
    for (std::int64_t row = 0; row < args.rows; row += kRows) {
      // Each block asks for its share of what comes next.
      const std::int64_t rows = args.rows - row < kRows ? args.rows - row : kRows;
      for (std::int64_t i = row * count / args.rows; i < (row + rows) * count / args.rows; ++i) {
        packed.PrefetchGroup(i);
      }
      QuantizedBands<kRows>(args, KeptTiles<Tile>(kept), band, row, rows, {g, g + count});
    }
  }
}

// Any rows, of a codec in packed tiles.
template <class Tile>
void KeptLinear(const LinearArgs& args) {
  if (args.rows <= kFewRows) {
    return QuantizedLinear<Tile>(args);
  }
  for (std::int64_t band = args.output_begin / kBandOutputs; band * kBandOutputs < args.output_end;
       ++band) {
    KeptBand<Tile>(args, PackedTiles<Tile, 1>(args, band), band);
  }
}

}  // namespace ashlar::internal
