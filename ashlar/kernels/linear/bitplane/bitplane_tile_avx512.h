// Planes as AVX-512 multiplies them. Included by *_avx512.cc and *_amx.cc only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <immintrin.h>

#include "ashlar/kernels/linear/bitplane/bitplane_simd.h"
#include "ashlar/kernels/linear/quantized_avx512.h"

namespace ashlar::avx512 {
namespace {

struct PlaneLine {
  __m512i v;

  static PlaneLine Load(const std::byte* from) { return {_mm512_load_si512(from)}; }
  template <int kBits>
  static PlaneLine Up(PlaneLine a) {
    // (A shift has one of the two ports, a sum either.)
    return {kBits == 1 ? _mm512_add_epi8(a.v, a.v) : _mm512_slli_epi16(a.v, kBits)};
  }
  template <int kBits>
  static PlaneLine Down(PlaneLine a) {
    return {_mm512_srli_epi16(a.v, kBits)};
  }
  template <int kMask>
  static PlaneLine Pick(PlaneLine a, PlaneLine b) {
    constexpr int kFirstWhereThird = 0xe4;  // truth table: c ? a : b
    return {_mm512_ternarylogic_epi64(a.v, b.v, Mask<kMask>(), kFirstWhereThird)};
  }
  template <int kMask>
  static PlaneLine Keep(PlaneLine a) {
    return {_mm512_and_si512(a.v, Mask<kMask>())};
  }
  template <int kBits>
  static PlaneLine Set(PlaneLine a) {
    return {_mm512_or_si512(a.v, Mask<kBits>())};
  }

 private:
  template <int kMask>
  static __m512i Mask() {
    return _mm512_set1_epi8(static_cast<char>(kMask));
  }
};

// Up to 4 planes of few rows. Low nibbles are outputs below 16, high ones the others. A byte is
// 16 high + low, so whole bytes multiply as well as their high halves, and what the low halves
// added comes off the sum: one instruction for two vectors of weights, and one for two sums. The
// low halves' sums stay in units of 16, and so does the bias that both begin with; of 4 planes it
// is half a unit more, which an integer has no room for.
template <int kPlanes>
struct NibblesOfPlanes : QuantizedTile<128 - internal::HalfStep(kPlanes)> {
  using Base = QuantizedTile<128 - internal::HalfStep(kPlanes)>;
  static constexpr int kKept = 1;
  static constexpr int kBias = 128 - internal::HalfStep(kPlanes);
  static constexpr int kBiasOfLow = kBias / 16;
  static constexpr float kUnitOfLow = 16;

  static void Take(const PlaneLine (&kept)[1], __m512i* w) {
    w[0] = _mm512_and_si512(kept[0].v, _mm512_set1_epi8(15));
    w[1] = kept[0].v;
  }
  static __m512i Start(std::int32_t x_sum, int v) {
    return _mm512_set1_epi32((v == 0 ? -kBiasOfLow : -kBiasOfLow - kBias) * x_sum);
  }
  static void Finish(const __m512i (&sums)[2], std::int32_t x_sum, simd::F32x16 (&dots)[2]) {
    Base::Finish({sums[0], _mm512_sub_epi32(sums[1], sums[0])}, x_sum, dots);
    if constexpr (kBias % 16 != 0) {
      static_assert(kBias % 16 == 8);
      dots[0] = dots[0] - simd::F32x16::Broadcast(0.5f * static_cast<float>(x_sum));
    }
  }
};

// Bytes, biased by kBias; kHalf: less half a unit.
template <int kBias, bool kHalf>
struct BytesOfPlanes : QuantizedTile<kBias> {
  static constexpr bool kStepsAreALoop = false;
  static constexpr int kKept = 2;
  static constexpr float kUnitOfLow = 1;

  static void Take(const PlaneLine (&kept)[2], __m512i* w) {
    w[0] = kept[0].v;
    w[1] = kept[1].v;
  }
  static void Finish(const __m512i (&sums)[2], std::int32_t x_sum, simd::F32x16 (&dots)[2]) {
    QuantizedTile<kBias>::Finish(sums, x_sum, dots);
    if constexpr (kHalf) {
      const simd::F32x16 half = simd::F32x16::Broadcast(0.5f * static_cast<float>(x_sum));
      dots[0] = dots[0] + half;
      dots[1] = dots[1] + half;
    }
  }
};

struct BitplaneForm {
  using F32 = simd::F32x16;
  using Line = PlaneLine;
  template <int kPlanes>
  static constexpr bool kHalf = kPlanes == BitplaneLayout::kPlanes;
  template <int kPlanes>
  using OneRow =
      std::conditional_t<(kPlanes <= 4), NibblesOfPlanes<kPlanes>,
                         BytesOfPlanes<128 - internal::HalfStep(kPlanes), kHalf<kPlanes>>>;
  template <int kPlanes>
  using ManyRows = BytesOfPlanes<128, kHalf<kPlanes>>;

  // (The product with x_scale is rounded before the one with a power of 2: bits of a sum are the
  // same in any unit.)
  static F32 Scales(const std::byte* from, int output, float x_scale, float unit) {
    const __m512 table = _mm512_mul_ps(
        _mm512_mul_ps(_mm512_loadu_ps(BitplaneLayout::kScales), _mm512_set1_ps(x_scale)),
        _mm512_set1_ps(unit));
    const __m512i index =
        _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(from)));
    // (vpermps looks at the low 4 bits only.)
    return {_mm512_permutexvar_ps(output == 0 ? index : _mm512_srli_epi32(index, 4), table)};
  }
};

}  // namespace
}  // namespace ashlar::avx512
