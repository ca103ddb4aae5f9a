// What the integer kernels' tiles share on AVX-512 with VNNI. Included by *_avx512.cc and *_amx.cc
// only.
//
// Registers of a 6-row block of 32 outputs (2 vectors): 12 integer sums + 12 floats + 2 weights +
// 1 broadcast + 1 mask = 28 of 32. Per group, on the two ports that have 512-bit arithmetic: 96
// products (vpdpbusd, 64 each), 12 x 3 to convert, scale and add, 6 + 4 to start sums and widen
// scales, and at 4 bits 24 to unpack: 142 or 166 instructions, so at most 68 % (q8) or 58 % (q4)
// of the integer peak. Loads (48 broadcasts, 8 or 16 lines) are within the two load ports.
#pragma once

#include <cstddef>
#include <cstdint>

#include <immintrin.h>

#include "ashlar/kernels/simd/f32x16.h"

namespace ashlar::avx512 {
namespace {

// vpdpbusd multiplies unsigned by signed bytes, so weights stay biased, and a group's sum starts
// where the bias will be taken out: sum (qw + b) qx - b sum qx.
template <int kBias>
struct QuantizedTile {
  using F32 = simd::F32x16;  // 16 outputs
  using Weights = __m512i;   // 16 outputs x 4 inputs, biased
  using Integers = __m512i;  // 16 sums
  static constexpr int kMaxRows = 6;
  static constexpr int Vectors(int) { return 2; }
  static constexpr int Output(int, int v) { return v * F32::kLanes; }

  static __m512i Broadcast4(const std::int8_t* x) {
    std::int32_t x4;
    __builtin_memcpy(&x4, x, sizeof x4);
    return _mm512_set1_epi32(x4);
  }
  static Integers Start(std::int32_t x_sum, int) { return _mm512_set1_epi32(-kBias * x_sum); }
  static Integers Dot(Integers sum, Weights w, __m512i x4) {
    return _mm512_dpbusd_epi32(sum, w, x4);
  }
  static void Finish(const Integers (&sums)[2], std::int32_t, F32 (&dots)[2]) {
    dots[0] = {_mm512_cvtepi32_ps(sums[0])};
    dots[1] = {_mm512_cvtepi32_ps(sums[1])};
  }
  static F32 Scales(const std::byte* tile, int output) {
    return {
        _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(tile + 2 * output)))};
  }
};

}  // namespace
}  // namespace ashlar::avx512
