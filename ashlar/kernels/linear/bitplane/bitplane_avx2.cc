#include <type_traits>

#include "ashlar/kernels/linear/bitplane/bitplane_forms.h"
#include "ashlar/kernels/linear/bitplane/bitplane_line_avx2.h"
#include "ashlar/kernels/linear/bitplane/bitplane_simd.h"
#include "ashlar/kernels/linear/quantized_avx2.h"

namespace ashlar::avx2 {
namespace {

// Up to 4 planes.
template <int kPlanes>
struct NibblesOfPlanes : NibblesTile {
  static constexpr int kKept = 1;
  static constexpr float kUnitOfLow = 1;

  static void Take(const PlaneLine (&kept)[1], Weights* w) { Split(kept[0].v, w); }
  template <int kVectors>
  static void Finish(const Integers (&sums)[kVectors], std::int32_t x_sum, F32 (&dots)[kVectors]) {
    FinishIn(16, sums, (128 - internal::HalfStep(kPlanes)) * x_sum, dots);
  }
};

// Bytes that lack kHalfStep and, if kHalf, half a unit.
template <int kHalfStep, bool kHalf>
struct BytesOfPlanes : BytesTile {
  static constexpr int kKept = 2;
  static constexpr float kUnitOfLow = 1;

  static constexpr int Output(int part, int v) { return NibblesTile::Output(part, v); }
  static void Take(const PlaneLine (&kept)[2], Weights* w) {
    w[0] = Of(kept[0].v);
    w[1] = Of(kept[1].v);
  }
  static Integers Start(std::int32_t x_sum, int) {
    return _mm256_set1_epi32(kExactZero + kHalfStep * x_sum);
  }
  template <int kVectors>
  static void Finish(const Integers (&sums)[kVectors], std::int32_t x_sum, F32 (&dots)[kVectors]) {
    BytesTile::Finish(sums, x_sum, dots);
    if constexpr (kHalf) {
      ASHLAR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        dots[v] = dots[v] + F32::Broadcast(0.5f * static_cast<float>(x_sum));
      }
    }
  }
};

struct BitplaneForm : BitplaneBase {
  template <int kPlanes>
  static constexpr bool kHalf = kPlanes == BitplaneLayout::kPlanes;
  template <int kPlanes>
  using OneRow = std::conditional_t<(kPlanes <= 4), NibblesOfPlanes<kPlanes>,
                                    BytesOfPlanes<internal::HalfStep(kPlanes), kHalf<kPlanes>>>;
  template <int kPlanes>
  using ManyRows = std::conditional_t<(kPlanes <= 4), NibblesOfPlanes<kPlanes>,
                                      BytesOfPlanes<0, kHalf<kPlanes>>>;
};

}  // namespace

void LinearBitplane(const LinearArgs& args) noexcept {
  internal::ForPlanes<internal::PlanesRunner<BitplaneForm>>(args);
}

}  // namespace ashlar::avx2
