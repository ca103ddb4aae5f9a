// What the integer kernels' tiles share on AVX2. Included by *_avx2.cc only.
#pragma once

#include <cstddef>
#include <cstdint>

#include <immintrin.h>

#include "ashlar/kernels/simd/f32x8.h"

namespace ashlar::avx2 {
namespace {

struct QuantizedTile {
  using F32 = simd::F32x8;  // 8 outputs
  // One row is bound by memory and reads a tile once; more rows are bound by registers and read
  // the tile's two halves in turn. 4 rows x 2 vectors: 8 sums + 2 to 4 weights + 1 broadcast + 1
  // constant + 1 or 2 products of 16 registers; the floats live in the first-level cache, touched
  // once per group.
  static constexpr bool kFromMemory = true;
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

}  // namespace
}  // namespace ashlar::avx2
