#include <immintrin.h>

#include "ashlar/kernels/quantize_rows/quantize_rows_simd.h"
#include "ashlar/kernels/simd/f32x8.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::avx2 {
namespace {

struct Group {
  using F32 = simd::F32x8;
  F32 x[4];

  static Group Load(const float* p) {
    return {{F32::Load(p), F32::Load(p + 8), F32::Load(p + 16), F32::Load(p + 24)}};
  }

  float MaxMagnitude() const {
    return MaxLanes(Max(Max(Abs(x[0]), Abs(x[1])), Max(Abs(x[2]), Abs(x[3]))));
  }

  std::int32_t Store(float steps_per_unit, std::int8_t* q) const {
    const F32 steps = F32::Broadcast(steps_per_unit);
    __m256i rounded[4];
    ASHLAR_UNROLL
    for (int i = 0; i < 4; ++i) {
      rounded[i] = _mm256_cvtps_epi32((x[i] * steps).v);
    }
    // Packing works within the two halves of a register, so dwords come out as 0 2 4 6 1 3 5 7.
    const __m256i low = _mm256_packs_epi32(rounded[0], rounded[1]);
    const __m256i high = _mm256_packs_epi32(rounded[2], rounded[3]);
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high),
                                                      _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_store_si256(reinterpret_cast<__m256i*>(q), bytes);
    const __m256i pairs = _mm256_madd_epi16(_mm256_add_epi16(low, high), _mm256_set1_epi16(1));
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
    return _mm_cvtsi128_si32(sum);
  }
};

}  // namespace

void QuantizeRows(const float* x, std::int64_t x_stride, std::int64_t rows, std::int64_t columns,
                  const QuantizedRows& out) noexcept {
  internal::QuantizeRows<Group>(x, x_stride, rows, columns, out);
}

}  // namespace ashlar::avx2
