// What the integer kernels' tiles share on AVX-512 with VNNI. Included by *_avx512.cc and *_amx.cc
// only.
//
// Registers of an 8-row block of 32 outputs (2 vectors): 16 integer sums + 2 weights + 1 broadcast
// + 1 mask = 20 of 32; of its 16 floats, which are touched once per group, some stay in the
// first-level cache. Per group, on the two ports that have 512-bit arithmetic: 128 products
// (vpdpbusd, 64 each), 16 x 3 to convert, scale and add, 8 + 4 to start sums and widen scales, and
// at 4 bits 24 to unpack: 188 or 212 instructions, so at most 68 % (q8) or 60 % (q4) of the integer
// peak. Loads (64 broadcasts, 8 or 16 lines, 32 of floats) are within the two load ports.
//
// Why 8 and not the 6 whose floats fit the registers: what is unpacked serves more rows, and 8 rows
// are one pass rather than two. Measured in turn, least of 300 runs, weights in the second-level
// cache, GOP/s with 6 and with 8: 8 rows 504 and 572 at 4 bits, 486 and 618 at 8; 16 rows 534 and
// 572, 574 and 619; 128 rows 538 and 569, 596 and 625. With 12, a tenth more at 12 rows, but at 16
// and 8 bits a twentieth less. (The peak is 970.) From memory, of which others read as well, 8 rows
// of 2048 x 8192 took 1.21 ms at 4 bits; with 8 and their weights asked for, 0.96.
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
  static constexpr int kMaxRows = 8;
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
