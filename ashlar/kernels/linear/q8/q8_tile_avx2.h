// q8 weights as AVX2 reads them. Included by *_avx2.cc only.
#pragma once

#include "ashlar/codec/q8/layout.h"
#include "ashlar/kernels/linear/quantized_avx2.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::avx2 {
namespace {

// vpmaddubsw sums two products of an unsigned and a signed byte in 16 bits, saturating: biased
// weights (up to 255) would overflow. So the sign moves to the activation: |qw| * (sign(qw) qx),
// at most 2 * 128 * 127 = 32512 < 2^15. (Exact for qx >= -127, which quantize_rows promises.)
struct Q8Tile : QuantizedTile {
  using Layout = Q8Layout;
  struct Weights {  // 8 outputs x 4 inputs
    __m256i q;
    __m256i magnitude;
  };
  using Integers = __m256i;  // 8 sums

  static constexpr int Output(int part, int v) { return 16 * part + v * F32::kLanes; }

  template <int kVectors>
  static void Load(const std::byte* quad, int part, Weights (&w)[kVectors]) {
    const __m256i bias = _mm256_set1_epi8(static_cast<char>(Layout::kBias));
    ASHLAR_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const std::byte* from = quad + 4 * Output(part, v);
      w[v].q = _mm256_xor_si256(_mm256_load_si256(reinterpret_cast<const __m256i*>(from)), bias);
      w[v].magnitude = _mm256_abs_epi8(w[v].q);
    }
  }
  static Integers Start(std::int32_t) { return _mm256_setzero_si256(); }
  static Integers Dot(Integers sum, const Weights& w, __m256i x4) {
    const __m256i pairs = _mm256_maddubs_epi16(w.magnitude, _mm256_sign_epi8(x4, w.q));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  static F32 Finish(Integers sum, std::int32_t) { return {_mm256_cvtepi32_ps(sum)}; }
};

}  // namespace
}  // namespace ashlar::avx2
