// What the integer kernels' tiles share on AVX2. Included by *_avx2.cc only.
#pragma once

#include <cstddef>
#include <cstdint>

#include <immintrin.h>

#include "ashlar/kernels/simd/f32x8.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::avx2 {
namespace {

struct QuantizedTile {
  using F32 = simd::F32x8;  // 8 outputs
  // One row is bound by memory and reads a tile once; more rows are bound by registers and read
  // the tile's two halves in turn. 4 rows x 2 vectors: 8 sums + 2 to 4 weights + 1 broadcast + 1
  // constant + 1 or 2 products of 16 registers; the floats live in the first-level cache, touched
  // once per group.
  static constexpr int kMaxRows = 4;
  static constexpr int Vectors(int rows) { return rows == 1 ? 4 : 2; }

  static __m256i Broadcast4(const std::int8_t* x) {
    std::int32_t x4;
    __builtin_memcpy(&x4, x, sizeof x4);
    return _mm256_set1_epi32(x4);
  }
  static F32 Scales(const std::byte* tile, int output) {
    return {_mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(tile + 2 * output)))};
  }
};

// vpmaddubsw sums two products of an unsigned and a signed byte in 16 bits: of nibbles at most
// 2 * 15 * 127. A whole group, 8 of them, is at most 30480 < 2^15, so sums stay in 16 bits for the
// group: two instructions per 32 products.
struct NibblesTile : QuantizedTile {
  using Weights = __m256i;   // 8 outputs x 4 inputs, biased
  using Integers = __m256i;  // 8 outputs x 2 sums of 16 bits

  // A line's low nibbles are outputs 0 to 15, high ones 16 to 31; half a line is two vectors.
  static constexpr int Output(int part, int v) {
    return (part + v / 2) * F32::kLanes + (v % 2) * 16;
  }
  static void Split(__m256i both, Weights* w) {
    const __m256i mask = _mm256_set1_epi8(15);
    w[0] = _mm256_and_si256(both, mask);
    w[1] = _mm256_and_si256(_mm256_srli_epi16(both, 4), mask);
  }
  static Integers Start(std::int32_t, int) { return _mm256_setzero_si256(); }
  static Integers Dot(Integers sum, Weights w, __m256i x4) {
    return _mm256_add_epi16(sum, _mm256_maddubs_epi16(w, x4));
  }
  // `units` times the sums, less `biases`.
  template <int kVectors>
  static void FinishIn(int units, const Integers (&sums)[kVectors], std::int32_t biases,
                       F32 (&dots)[kVectors]) {
    ASHLAR_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const __m256i dot = _mm256_madd_epi16(sums[v], _mm256_set1_epi16(static_cast<short>(units)));
      dots[v] = {_mm256_cvtepi32_ps(_mm256_sub_epi32(dot, _mm256_set1_epi32(biases)))};
    }
  }
};

// A byte for each weight, biased by 128. vpmaddubsw saturates, and biased weights (up to 255) would
// overflow. So the sign moves to the activation: |qw| * (sign(qw) qx), at most
// 2 * 128 * 127 = 32512 < 2^15. (Exact for qx >= -127, which quantize_rows promises.)
struct BytesTile : QuantizedTile {
  struct Weights {  // 8 outputs x 4 inputs
    __m256i q;
    __m256i magnitude;
  };
  using Integers = __m256i;  // 8 sums

  static Weights Of(__m256i biased) {
    const __m256i q = _mm256_xor_si256(biased, _mm256_set1_epi8(static_cast<char>(128)));
    return {q, _mm256_abs_epi8(q)};
  }
  static Integers Start(std::int32_t, int) { return _mm256_setzero_si256(); }
  static Integers Dot(Integers sum, const Weights& w, __m256i x4) {
    const __m256i pairs = _mm256_maddubs_epi16(w.magnitude, _mm256_sign_epi8(x4, w.q));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  template <int kVectors>
  static void Finish(const Integers (&sums)[kVectors], std::int32_t, F32 (&dots)[kVectors]) {
    ASHLAR_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      dots[v] = {_mm256_cvtepi32_ps(sums[v])};
    }
  }
};

}  // namespace
}  // namespace ashlar::avx2
