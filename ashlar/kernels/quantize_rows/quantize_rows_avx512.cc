#include <immintrin.h>

#include "ashlar/kernels/quantize_rows/quantize_rows_simd.h"
#include "ashlar/kernels/simd/f32x16.h"

namespace ashlar::avx512 {
namespace {

struct Group {
  using F32 = simd::F32x16;
  F32 x[2];

  static Group Load(const float* p) { return {{F32::Load(p), F32::Load(p + F32::kLanes)}}; }

  float MaxMagnitude() const { return MaxLanes(Max(Abs(x[0]), Abs(x[1]))); }

  std::int32_t Store(float steps_per_unit, std::int8_t* q) const {
    const F32 steps = F32::Broadcast(steps_per_unit);
    __m512i rounded[2];
    for (int h = 0; h < 2; ++h) {
      rounded[h] = _mm512_cvtps_epi32((x[h] * steps).v);
      _mm_store_si128(reinterpret_cast<__m128i*>(q + h * F32::kLanes),
                      _mm512_cvtepi32_epi8(rounded[h]));
    }
    return _mm512_reduce_add_epi32(_mm512_add_epi32(rounded[0], rounded[1]));
  }
};

}  // namespace

void QuantizeRows(const float* x, std::int64_t x_stride, std::int64_t rows, std::int64_t columns,
                  const QuantizedRows& out) noexcept {
  internal::QuantizeRows<Group>(x, x_stride, rows, columns, out);
}

}  // namespace ashlar::avx512
