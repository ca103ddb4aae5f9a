// The integer kernels of many rows where there are 16 registers.
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

// A band's groups, of a codec in packed tiles, as `T` multiplies them.
template <class T>
class KeptTiles {
 public:
  using Tile = T;
  using Packed = PackedTiles<T, 1>;
  static constexpr int kBands = 1;
  static constexpr bool kStepsAreALoop = T::kStepsAreALoop;
  static constexpr int Quad(int step) { return step; }

  struct Group {
    alignas(64) float scale[kBandOutputs];
    typename T::Weights w[kQuadsOfGroup][kBandOutputs / T::F32::kLanes];
  };
  static constexpr std::int64_t kGroups = 18432 / sizeof(Group);

  static void Keep(const Packed& packed, Group& group) {
    ASHLAR_UNROLL
    for (int output = 0; output < kBandOutputs; output += T::F32::kLanes) {
      packed.Scales(0, output).Store(group.scale + output);
    }
    constexpr int kVectors = 2;
    ASHLAR_UNROLL
    for (int step = 0; step < kQuadsOfGroup; ++step) {
      ASHLAR_UNROLL
      for (int part = 0; part < kBandOutputs / (kVectors * T::F32::kLanes); ++part) {
        typename T::Weights w[kVectors];
        packed.template Load<kVectors>(0, step, part, w);
        ASHLAR_UNROLL
        for (int v = 0; v < kVectors; ++v) {
          group.w[step][T::Output(part, v) / T::F32::kLanes] = w[v];
        }
      }
    }
  }

  explicit KeptTiles(const Group* groups) : group_(groups) {}

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
  const Group* group_;
};

// `Tile` says besides whether the steps of a group are a loop: kStepsAreALoop.
template <class Tile>
void KeptLinear(const LinearArgs& args) {
  using Kept = KeptTiles<Tile>;
  constexpr std::int64_t kRows = Tile::kMaxRows;
  if (args.rows <= kFewRows) {
    return QuantizedLinear<Tile>(args);
  }
  typename Kept::Group kept[Kept::kGroups];
  const std::int64_t groups = args.inputs / kGroup;
  for (std::int64_t band = args.output_begin / kBandOutputs; band * kBandOutputs < args.output_end;
       ++band) {
    typename Kept::Packed packed(args, band);
    for (std::int64_t g = 0; g < groups; g += Kept::kGroups) {
      const std::int64_t count = groups - g < Kept::kGroups ? groups - g : Kept::kGroups;
      for (std::int64_t i = 0; i < count; ++i) {
        Kept::Keep(packed, kept[i]);
        packed.Next();
      }
      for (std::int64_t row = 0; row < args.rows; row += kRows) {
        // Each block asks for its share of what comes next.
        const std::int64_t rows = args.rows - row < kRows ? args.rows - row : kRows;
        for (std::int64_t i = row * count / args.rows; i < (row + rows) * count / args.rows; ++i) {
          packed.PrefetchGroup(i);
        }
        QuantizedBands<kRows>(args, Kept(kept), band, row, rows, {g, g + count});
      }
    }
  }
}

}  // namespace ashlar::internal
