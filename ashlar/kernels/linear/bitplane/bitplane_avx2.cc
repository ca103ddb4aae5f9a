#include <type_traits>

#include "ashlar/kernels/linear/bitplane/bitplane_forms.h"
#include "ashlar/kernels/linear/bitplane/bitplane_simd.h"
#include "ashlar/kernels/linear/quantized_avx2.h"

namespace ashlar::avx2 {
namespace {

struct PlaneLine {
  __m256i v;

  static PlaneLine Load(const std::byte* from) {
    return {_mm256_load_si256(reinterpret_cast<const __m256i*>(from))};
  }
  template <int kBits>
  static PlaneLine Up(PlaneLine a) {
    return {kBits == 1 ? _mm256_add_epi8(a.v, a.v) : _mm256_slli_epi16(a.v, kBits)};
  }
  template <int kBits>
  static PlaneLine Down(PlaneLine a) {
    return {_mm256_srli_epi16(a.v, kBits)};
  }
  template <int kMask>
  static PlaneLine Pick(PlaneLine a, PlaneLine b) {
    return {_mm256_or_si256(_mm256_and_si256(a.v, Mask<kMask>()),
                            _mm256_andnot_si256(Mask<kMask>(), b.v))};
  }
  template <int kMask>
  static PlaneLine Keep(PlaneLine a) {
    return {_mm256_and_si256(a.v, Mask<kMask>())};
  }
  template <int kBits>
  static PlaneLine Set(PlaneLine a) {
    return {_mm256_or_si256(a.v, Mask<kBits>())};
  }

 private:
  template <int kMask>
  static __m256i Mask() {
    return _mm256_set1_epi8(static_cast<char>(kMask));
  }
};

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

struct BitplaneForm {
  using F32 = simd::F32x8;
  using Line = PlaneLine;
  template <int kPlanes>
  static constexpr bool kHalf = kPlanes == BitplaneLayout::kPlanes;
  template <int kPlanes>
  using OneRow = std::conditional_t<(kPlanes <= 4), NibblesOfPlanes<kPlanes>,
                                    BytesOfPlanes<internal::HalfStep(kPlanes), kHalf<kPlanes>>>;
  template <int kPlanes>
  using ManyRows = std::conditional_t<(kPlanes <= 4), NibblesOfPlanes<kPlanes>,
                                      BytesOfPlanes<0, kHalf<kPlanes>>>;

  // A lookup among 16 is two among 8, of which bit 3 of the index, as a sign, chooses.
  static F32 Scales(const std::byte* from, int output, float x_scale, float) {
    const __m256i both =
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + output % 16)));
    const __m256i index = output < 16 ? both : _mm256_srli_epi32(both, 4);
    const auto look = [&](const float* table) __attribute__((always_inline)) {
      return _mm256_permutevar8x32_ps(
          _mm256_mul_ps(_mm256_loadu_ps(table), _mm256_set1_ps(x_scale)), index);
    };
    const __m256 low = look(BitplaneLayout::kScales);
    const __m256 high = look(BitplaneLayout::kScales + 8);
    return {_mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)))};
  }
};

}  // namespace

void LinearBitplane(const LinearArgs& args) noexcept {
  internal::ForPlanes<internal::PlanesRunner<BitplaneForm>>(args);
}

}  // namespace ashlar::avx2
