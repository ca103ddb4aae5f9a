// Eight f32 in an AVX2 register: the vocabulary that x_simd.h bodies are written in.
//
// f32x16.h is its twin, operation for operation. Included by *_avx2.cc and *_avxvnni.cc only. Every
// function takes or returns a type of this file, so the linker can never merge one with that of
// another instruction set, but for AVX-VNNI, which adds products of bytes to AVX2 and is asked for
// them by name only; for the same reason the bodies call nothing that is inline and not a
// template on the vector type (std::min among them).
#pragma once

#include <cstdint>

#include <immintrin.h>

#include "ashlar/kernels/simd/half.h"
#include "ashlar/kernels/simd/scaled8.h"

namespace ashlar::simd {

struct F32x8 {
  static constexpr int kLanes = 8;
  static constexpr int kRegisters = 16;  // that the instruction set has
  struct Mask {
    __m256 bits;  // all ones or all zeros in each lane
  };

  __m256 v;

  static F32x8 Zero() { return {_mm256_setzero_ps()}; }
  static F32x8 Broadcast(float x) { return {_mm256_set1_ps(x)}; }
  static F32x8 Load(const float* p) { return {_mm256_loadu_ps(p)}; }
  // The lanes [begin, end); the bounds may lie outside the register.
  static Mask Lanes(std::int64_t begin, std::int64_t end) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i below_end = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(end)), lane);
    const __m256i below_begin =
        _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(begin)), lane);
    return {_mm256_castsi256_ps(_mm256_andnot_si256(below_begin, below_end))};
  }
  // p[0..n) in the first n lanes, `rest` in the others, whose memory is not touched.
  static F32x8 LoadFirst(const float* p, std::int64_t n, F32x8 rest) {
    const __m256 mask = Lanes(0, n).bits;
    return {_mm256_blendv_ps(rest.v, _mm256_maskload_ps(p, _mm256_castps_si256(mask)), mask)};
  }
  // The same of halves, widened. (There is no masked load or store of 16-bit numbers: a tail is
  // copied.)
  static F32x8 Load(const Half* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  static F32x8 LoadFirst(const Half* p, std::int64_t n, F32x8 rest) {
    Half copy[kLanes] = {};
    for (std::int64_t i = 0; i < n; ++i) {
      copy[i] = p[i];
    }
    return {_mm256_blendv_ps(rest.v, Load(copy).v, Lanes(0, n).bits)};
  }
  // The same of integers.
  static F32x8 Load(const Scaled8* p) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes))};
  }
  static F32x8 LoadFirst(const Scaled8* p, std::int64_t n, F32x8 rest) {
    Scaled8 copy[kLanes] = {};
    for (std::int64_t i = 0; i < n; ++i) {
      copy[i] = p[i];
    }
    return {_mm256_blendv_ps(rest.v, Load(copy).v, Lanes(0, n).bits)};
  }
  // Asks for the cache line of p, in the second-level cache.
  static void Prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1); }
  void Store(float* p) const { _mm256_storeu_ps(p, v); }
  void StoreFirst(float* p, std::int64_t n) const {
    _mm256_maskstore_ps(p, _mm256_castps_si256(Lanes(0, n).bits), v);
  }
  void Store(Half* p) const {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  void StoreFirst(Half* p, std::int64_t n) const {
    Half copy[kLanes];
    Store(copy);
    for (std::int64_t i = 0; i < n; ++i) {
      p[i] = copy[i];
    }
  }
  void Store(Scaled8* p) const {
    const __m256i whole = _mm256_cvtps_epi32(v);
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
  }
  void StoreFirst(Scaled8* p, std::int64_t n) const {
    Scaled8 copy[kLanes];
    Store(copy);
    for (std::int64_t i = 0; i < n; ++i) {
      p[i] = copy[i];
    }
  }

  friend F32x8 operator+(F32x8 a, F32x8 b) { return {_mm256_add_ps(a.v, b.v)}; }
  friend F32x8 operator-(F32x8 a, F32x8 b) { return {_mm256_sub_ps(a.v, b.v)}; }
  friend F32x8 operator*(F32x8 a, F32x8 b) { return {_mm256_mul_ps(a.v, b.v)}; }
  friend F32x8 operator/(F32x8 a, F32x8 b) { return {_mm256_div_ps(a.v, b.v)}; }
};

// a b + c, c - a b and a b - c, rounded once.
inline F32x8 MulAdd(F32x8 a, F32x8 b, F32x8 c) {
  return {_mm256_fmadd_ps(a.v, b.v, c.v)};
}
inline F32x8 NegMulAdd(F32x8 a, F32x8 b, F32x8 c) {
  return {_mm256_fnmadd_ps(a.v, b.v, c.v)};
}
inline F32x8 MulSub(F32x8 a, F32x8 b, F32x8 c) {
  return {_mm256_fmsub_ps(a.v, b.v, c.v)};
}
// When either is NaN, b.
inline F32x8 Min(F32x8 a, F32x8 b) {
  return {_mm256_min_ps(a.v, b.v)};
}
inline F32x8 Max(F32x8 a, F32x8 b) {
  return {_mm256_max_ps(a.v, b.v)};
}
inline F32x8 Sqrt(F32x8 a) {
  return {_mm256_sqrt_ps(a.v)};
}
inline F32x8 Abs(F32x8 a) {
  return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)};
}
// |a| with the sign of b.
inline F32x8 CopySign(F32x8 a, F32x8 b) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(_mm256_andnot_ps(sign, a.v), _mm256_and_ps(sign, b.v))};
}
// To the nearest integer, ties to even.
inline F32x8 Round(F32x8 a) {
  return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
// 2^a. Requires: a is an integer in [-126, 127]; anything else gives some number.
inline F32x8 TwoToThe(F32x8 a) {
  const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(a.v), _mm256_set1_epi32(127));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(biased, 23))};
}

// The number whose bits are those of a, 23 places to the left: the low ones become the exponent.
inline F32x8 LowBitsToExponent(F32x8 a) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a.v), 23))};
}

// False where either is NaN.
inline F32x8::Mask Less(F32x8 a, F32x8 b) {
  return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)};
}
// a where the mask is set, b elsewhere.
inline F32x8 Select(F32x8::Mask mask, F32x8 a, F32x8 b) {
  return {_mm256_blendv_ps(b.v, a.v, mask.bits)};
}

// Over the lanes, in a fixed tree: halves, quarters, pairs.
inline float SumLanes(F32x8 a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  s = _mm_add_ss(s, _mm_movehdup_ps(s));
  return _mm_cvtss_f32(s);
}
inline float MaxLanes(F32x8 a) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  s = _mm_max_ss(s, _mm_movehdup_ps(s));
  return _mm_cvtss_f32(s);
}

}  // namespace ashlar::simd
