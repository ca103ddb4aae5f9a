// The bf16 parts of f32 numbers, in AVX-512 registers: split_rows.h says what they are. Included by
// *_avx512.cc and *_amx.cc only.
#pragma once

#include <cstdint>

#include <immintrin.h>

#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::simd {
namespace {

// The first kParts parts of the 32 numbers of a and b, in their order.
template <int kParts>
[[gnu::always_inline]] inline void SplitBf16(__m512 a, __m512 b, __m512i (&parts)[kParts]) {
  // The upper half of each lane.
  alignas(64) static constexpr std::uint16_t kUpper[32] = {
      1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
      33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
  const __m512i upper = _mm512_load_si512(kUpper);
  const __m512i mask = _mm512_set1_epi32(static_cast<int>(0xffff0000));
  const __m512i quiet = _mm512_set1_epi32(0x00400000);
  const auto take = [&](__m512& x, bool any) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512 part = _mm512_castsi512_ps(_mm512_and_si512(bits, mask));
    if (!any) {
      x = _mm512_sub_ps(x, part);
      return bits;
    }
    constexpr int kInfiniteOrNaN = 0x99;
    const __mmask16 finite = _knot_mask16(_mm512_fpclass_ps_mask(x, kInfiniteOrNaN));
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    x = _mm512_maskz_sub_ps(finite, x, part);
    return _mm512_mask_or_epi32(bits, nan, bits, quiet);
  };
  ASHLAR_UNROLL
  for (int part = 0; part < kParts; ++part) {
    const __m512i of_a = take(a, part == 0);
    const __m512i of_b = take(b, part == 0);
    parts[part] = _mm512_permutex2var_epi16(of_a, upper, of_b);
  }
}

}  // namespace
}  // namespace ashlar::simd
