// What the integer kernels' tiles share on AVX2. Included by *_avx2.cc and *_avxvnni.cc only.
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
  //
  // Per group and sum of 8 outputs, on three ports: at 4 bits 8 x 2 for the products, 5 for the sum
  // of pairs, the bias, the float, the scales' product and the addition: 21 instructions for 256
  // products, 7 cycles; at 8 bits 8 x 4 and 3, of which 26 have two ports: 13 cycles. So at most
  // 256 and 138 GOP/s at 3.5 GHz; measured on a busy Sapphire Rapids, 128 rows, one thread: 236 and
  // 140 (168 and 127 when each block of rows unpacks for itself, unrolled). There is no better way
  // at 8 bits: products of 16 bits, or of halves of a byte added in 16 bits, take 38 and 39
  // instructions.
  static constexpr int kMaxRows = 4;
  static constexpr bool kStepsAreALoop = true;
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

// The bits of 1.5 * 2^23. An integer of at most 2^22 that is added to them is added to that number
// (whose unit is 1): what is subtracted then leaves the integer as a float, exactly. A conversion
// would have a port that multiplies; this has one more to choose from.
constexpr std::int32_t kExactZero = 0x4b400000;
simd::F32x8 ExactFloats(__m256i above_zero) {
  return {_mm256_sub_ps(_mm256_castsi256_ps(above_zero), _mm256_set1_ps(0x1.8p23f))};
}

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
  // A quad's two lines, of a codec that stores them so.
  template <int kVectors>
  static void Load(const std::byte* quad, int part, Weights (&w)[kVectors]) {
    ASHLAR_UNROLL
    for (int h = 0; h < kVectors / 2; ++h) {
      Split(_mm256_load_si256(reinterpret_cast<const __m256i*>(quad + 32 * (part + h))), w + 2 * h);
    }
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
      dots[v] = ExactFloats(_mm256_add_epi32(dot, _mm256_set1_epi32(kExactZero - biases)));
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
  using Integers = __m256i;  // 8 sums, as ExactFloats has them

  static Weights Of(__m256i biased) {
    const __m256i q = _mm256_xor_si256(biased, _mm256_set1_epi8(static_cast<char>(128)));
    return {q, _mm256_abs_epi8(q)};
  }
  static Integers Start(std::int32_t, int) { return _mm256_set1_epi32(kExactZero); }
  static Integers Dot(Integers sum, const Weights& w, __m256i x4) {
    const __m256i pairs = _mm256_maddubs_epi16(w.magnitude, _mm256_sign_epi8(x4, w.q));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  template <int kVectors>
  static void Finish(const Integers (&sums)[kVectors], std::int32_t, F32 (&dots)[kVectors]) {
    ASHLAR_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      dots[v] = ExactFloats(sums[v]);
    }
  }
};

}  // namespace
}  // namespace ashlar::avx2
