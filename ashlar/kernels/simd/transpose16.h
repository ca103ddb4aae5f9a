// The transpose of 16 x 16 numbers of 32 bits, in AVX-512 registers. Included by *_avx512.cc and
// *_amx.cc only.
#pragma once

#include <immintrin.h>

#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::simd {
namespace {

// Lane j of v[i] becomes lane i of v[j]: in each step, halves of pairs of rows that are 1, 2, 4
// and 8 apart.
[[gnu::always_inline]] inline void Transpose16(__m512i (&v)[16]) {
  __m512i u[16];
  ASHLAR_UNROLL
  for (int i = 0; i < 16; i += 2) {
    u[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
    u[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
  }
  ASHLAR_UNROLL
  for (int i = 0; i < 16; i += 4) {
    ASHLAR_UNROLL
    for (int j = 0; j < 2; ++j) {
      v[i + 2 * j] = _mm512_unpacklo_epi64(u[i + j], u[i + j + 2]);
      v[i + 2 * j + 1] = _mm512_unpackhi_epi64(u[i + j], u[i + j + 2]);
    }
  }
  // Quarter q of v[4 a + b] has column 4 q + b of rows 4 a to 4 a + 3.
  ASHLAR_UNROLL
  for (int b = 0; b < 4; ++b) {
    u[b] = _mm512_shuffle_i32x4(v[b], v[b + 4], 0x88);
    u[b + 4] = _mm512_shuffle_i32x4(v[b], v[b + 4], 0xdd);
    u[b + 8] = _mm512_shuffle_i32x4(v[b + 8], v[b + 12], 0x88);
    u[b + 12] = _mm512_shuffle_i32x4(v[b + 8], v[b + 12], 0xdd);
  }
  ASHLAR_UNROLL
  for (int b = 0; b < 4; ++b) {
    v[b] = _mm512_shuffle_i32x4(u[b], u[b + 8], 0x88);
    v[b + 4] = _mm512_shuffle_i32x4(u[b + 4], u[b + 12], 0x88);
    v[b + 8] = _mm512_shuffle_i32x4(u[b], u[b + 8], 0xdd);
    v[b + 12] = _mm512_shuffle_i32x4(u[b + 4], u[b + 12], 0xdd);
  }
}

}  // namespace
}  // namespace ashlar::simd
