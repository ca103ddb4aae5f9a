// What the integer kernels' tiles share on AVX2 with AVX-VNNI. Included by *_avxvnni.cc only.
//
// Registers of a 6-row block of 16 outputs (2 vectors): 12 integer sums + 2 weights + 1 broadcast =
// 15 of 16; the floats live in the first-level cache, touched once per group. Per group, on the two
// ports that multiply: 96 products (vpdpbusd, 32 each) and 12 x 2 for the scales' product and the
// sum, 120 instructions for 6144 products: 60 cycles, 80 % of the integer peak. What the third port
// has is hidden: 12 conversions, which are subtractions here, and 6 x 2 to start sums. At 3.5 GHz
// that is 358 GOP/s at most; measured on a busy Sapphire Rapids, 128 rows, one thread: 347 (q4)
// and 339 (q8), where AVX2 has 236 and 140, AVX-512 569 and 625. One row of q4 from the
// second-level cache takes 15.1 ns for 1024 codes, on AVX2 19.7.
#pragma once

#include <cstddef>
#include <cstdint>

#include <immintrin.h>

#include "ashlar/kernels/linear/quantized_avx2.h"

namespace ashlar::avxvnni {
namespace {

// Weights stay biased, as on AVX-512: a group's sum starts where the bias will be taken out.
template <int kBias>
struct QuantizedTile : avx2::QuantizedTile {
  using Weights = __m256i;   // 8 outputs x 4 inputs, biased
  using Integers = __m256i;  // 8 sums, as ExactFloats has them
  static constexpr int kMaxRows = 6;
  static constexpr bool kStepsAreALoop = false;

  static Integers Start(std::int32_t x_sum, int) {
    return _mm256_set1_epi32(avx2::kExactZero - kBias * x_sum);
  }
  static Integers Dot(Integers sum, Weights w, __m256i x4) {
    return _mm256_dpbusd_avx_epi32(sum, w, x4);
  }
  template <int kVectors>
  static void Finish(const Integers (&sums)[kVectors], std::int32_t, F32 (&dots)[kVectors]) {
    ASHLAR_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      dots[v] = avx2::ExactFloats(sums[v]);
    }
  }
};

}  // namespace
}  // namespace ashlar::avxvnni
