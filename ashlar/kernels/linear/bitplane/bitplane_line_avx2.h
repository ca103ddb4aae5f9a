// Planes and their scales in AVX2's registers. Included by *_avx2.cc and *_avxvnni.cc only.
#pragma once

#include <cstddef>

#include <immintrin.h>

#include "ashlar/codec/bitplane/layout.h"
#include "ashlar/kernels/simd/f32x8.h"

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

// What both instruction sets' Forms (bitplane_simd.h) have.
struct BitplaneBase {
  using F32 = simd::F32x8;
  using Line = PlaneLine;

  // A lookup among 16 is two among 8, of which bit 3 of the index, as a sign, chooses.
  static F32 Scales(const std::byte* from, int output, float x_scale, float unit) {
    const __m256i both =
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + output % 16)));
    const __m256i index = output < 16 ? both : _mm256_srli_epi32(both, 4);
    const auto look = [&](const float* table) __attribute__((always_inline)) {
      return _mm256_permutevar8x32_ps(
          _mm256_mul_ps(_mm256_mul_ps(_mm256_loadu_ps(table), _mm256_set1_ps(x_scale)),
                        _mm256_set1_ps(unit)),
          index);
    };
    const __m256 low = look(BitplaneLayout::kScales);
    const __m256 high = look(BitplaneLayout::kScales + 8);
    return {_mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)))};
  }
};

}  // namespace
}  // namespace ashlar::avx2
