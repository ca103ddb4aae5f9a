// Sixteen f32 in an AVX-512 register: f32x8.h says what each operation means. Included by
// *_avx512.cc only.
#pragma once

#include <cstdint>

#include <immintrin.h>

#include "ashlar/kernels/simd/half.h"
#include "ashlar/kernels/simd/scaled8.h"

namespace ashlar::simd {

struct F32x16 {
  static constexpr int kLanes = 16;
  static constexpr int kRegisters = 32;
  struct Mask {
    __mmask16 bits;
  };

  __m512 v;

  static F32x16 Zero() { return {_mm512_setzero_ps()}; }
  static F32x16 Broadcast(float x) { return {_mm512_set1_ps(x)}; }
  static F32x16 Load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Mask Lanes(std::int64_t begin, std::int64_t end) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __mmask16 below_end =
        _mm512_cmpgt_epi32_mask(_mm512_set1_epi32(static_cast<int>(end)), lane);
    return {
        _mm512_mask_cmple_epi32_mask(below_end, _mm512_set1_epi32(static_cast<int>(begin)), lane)};
  }
  static F32x16 LoadFirst(const float* p, std::int64_t n, F32x16 rest) {
    return {_mm512_mask_loadu_ps(rest.v, Lanes(0, n).bits, p)};
  }
  static F32x16 Load(const Half* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static F32x16 LoadFirst(const Half* p, std::int64_t n, F32x16 rest) {
    const __mmask16 first = Lanes(0, n).bits;
    return {_mm512_mask_cvtph_ps(rest.v, first, _mm256_maskz_loadu_epi16(first, p))};
  }
  static F32x16 Load(const Scaled8* p) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
  }
  static F32x16 LoadFirst(const Scaled8* p, std::int64_t n, F32x16 rest) {
    const __mmask16 first = Lanes(0, n).bits;
    return {_mm512_mask_cvtepi32_ps(rest.v, first,
                                    _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(first, p)))};
  }
  static void Prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1); }
  void Store(float* p) const { _mm512_storeu_ps(p, v); }
  void StoreFirst(float* p, std::int64_t n) const { _mm512_mask_storeu_ps(p, Lanes(0, n).bits, v); }
  void Store(Half* p) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), Halves()); }
  void StoreFirst(Half* p, std::int64_t n) const {
    _mm256_mask_storeu_epi16(p, Lanes(0, n).bits, Halves());
  }
  void Store(Scaled8* p) const {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v)));
  }
  void StoreFirst(Scaled8* p, std::int64_t n) const {
    _mm_mask_storeu_epi8(p, Lanes(0, n).bits, _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v)));
  }
  __m256i Halves() const {
    return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }

  friend F32x16 operator+(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
  friend F32x16 operator-(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
  friend F32x16 operator*(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
  friend F32x16 operator/(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
};

inline F32x16 MulAdd(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
inline F32x16 NegMulAdd(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm512_fnmadd_ps(a.v, b.v, c.v)};
}
inline F32x16 MulSub(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm512_fmsub_ps(a.v, b.v, c.v)};
}
inline F32x16 Min(F32x16 a, F32x16 b) {
  return {_mm512_min_ps(a.v, b.v)};
}
inline F32x16 Max(F32x16 a, F32x16 b) {
  return {_mm512_max_ps(a.v, b.v)};
}
inline F32x16 Sqrt(F32x16 a) {
  return {_mm512_sqrt_ps(a.v)};
}
inline F32x16 Abs(F32x16 a) {
  return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), a.v)};
}
inline F32x16 CopySign(F32x16 a, F32x16 b) {
  const __m512 sign = _mm512_set1_ps(-0.0f);
  return {_mm512_or_ps(_mm512_andnot_ps(sign, a.v), _mm512_and_ps(sign, b.v))};
}
inline F32x16 Round(F32x16 a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline F32x16 TwoToThe(F32x16 a) {
  const __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(a.v), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(biased, 23))};
}
inline F32x16 LowBitsToExponent(F32x16 a) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a.v), 23))};
}

inline F32x16::Mask Less(F32x16 a, F32x16 b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)};
}
inline F32x16 Select(F32x16::Mask mask, F32x16 a, F32x16 b) {
  return {_mm512_mask_blend_ps(mask.bits, b.v, a.v)};
}

// (Halves, quarters, eighths, pairs. Written out, since the order within the compiler's own
// _mm512_reduce_add_ps is its own affair.)
inline float SumLanes(F32x16 a) {
  const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  s = _mm_add_ss(s, _mm_movehdup_ps(s));
  return _mm_cvtss_f32(s);
}
inline float MaxLanes(F32x16 a) {
  const __m256 h = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  s = _mm_max_ss(s, _mm_movehdup_ps(s));
  return _mm_cvtss_f32(s);
}

}  // namespace ashlar::simd
