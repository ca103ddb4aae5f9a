#include <immintrin.h>

#include "ashlar/kernels/quantize_rows/quantize_rows_simd.h"
#include "ashlar/kernels/simd/f32x16.h"
#include "ashlar/kernels/simd/unroll.h"

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

// Four groups, whose sums across lanes are taken together: a sum of one group is mostly shuffles.
constexpr int kTogether = 4;

// The first number of each quarter.
__m128 Firsts(__m512 x) {
  return _mm512_castps512_ps128(_mm512_permutexvar_ps(
      _mm512_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12), x));
}

// Quarter i of the result holds x[i]'s quarters, combined lane by lane.
template <class Combine>
__m512 Quarters(const __m512 (&x)[kTogether], Combine combine) {
  const auto halves = [&](__m512 a, __m512 b) {
    return combine(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
  };
  const __m512 low = halves(x[0], x[1]);
  const __m512 high = halves(x[2], x[3]);
  return combine(_mm512_shuffle_f32x4(low, high, 0x88), _mm512_shuffle_f32x4(low, high, 0xdd));
}

void QuantizeFour(const float* x, std::int8_t* q, float* scale, std::int32_t* sum,
                  std::int64_t stride) {
  __m512 numbers[2 * kTogether];
  __m512 largest[kTogether];
  ASHLAR_UNROLL
  for (int g = 0; g < kTogether; ++g) {
    numbers[2 * g] = _mm512_loadu_ps(x + g * kGroup);
    numbers[2 * g + 1] = _mm512_loadu_ps(x + g * kGroup + 16);
    largest[g] = _mm512_range_ps(numbers[2 * g], numbers[2 * g + 1], 0b1011);  // of magnitudes
  }
  __m512 m = Quarters(largest, [](__m512 a, __m512 b) { return _mm512_max_ps(a, b); });
  m = _mm512_max_ps(m, _mm512_permute_ps(m, 0b10110001));
  m = _mm512_max_ps(m, _mm512_permute_ps(m, 0b01001110));

  const __m128 magnitude = Firsts(m);
  const __mmask8 some = _mm_cmp_ps_mask(magnitude, _mm_set1_ps(kLeastMagnitude), _CMP_NLT_UQ);
  const __m128 full = _mm_set1_ps(127);
  alignas(16) float scales[kTogether];
  _mm_store_ps(scales, _mm_maskz_div_ps(some, magnitude, full));
  const __m512 steps = _mm512_castps128_ps512(_mm_maskz_div_ps(some, full, magnitude));

  __m512i rounded[2 * kTogether];
  ASHLAR_UNROLL
  for (int g = 0; g < kTogether; ++g) {
    const __m512 step = _mm512_permutexvar_ps(_mm512_set1_epi32(g), steps);
    rounded[2 * g] = _mm512_cvtps_epi32(_mm512_mul_ps(numbers[2 * g], step));
    rounded[2 * g + 1] = _mm512_cvtps_epi32(_mm512_mul_ps(numbers[2 * g + 1], step));
  }
  // Packing works within quarters: quarter i of `bytes` has dword i of each of four registers.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512i bytes[2];
  ASHLAR_UNROLL
  for (int h = 0; h < 2; ++h) {
    const __m512i* r = rounded + 4 * h;
    bytes[h] = _mm512_permutexvar_epi32(
        order, _mm512_packs_epi16(_mm512_packs_epi32(r[0], r[1]), _mm512_packs_epi32(r[2], r[3])));
    _mm512_storeu_si512(q + 64 * h, bytes[h]);
    bytes[h] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), bytes[h]);
  }
  // Each register has the sums by fours of two groups.
  __m512i s = _mm512_add_epi32(_mm512_shuffle_i32x4(bytes[0], bytes[1], 0x88),
                               _mm512_shuffle_i32x4(bytes[0], bytes[1], 0xdd));
  s = _mm512_add_epi32(s, _mm512_shuffle_epi32(s, _MM_PERM_CDAB));
  s = _mm512_add_epi32(s, _mm512_shuffle_epi32(s, _MM_PERM_BADC));
  alignas(16) std::int32_t sums[kTogether];
  _mm_store_si128(reinterpret_cast<__m128i*>(sums),
                  _mm_castps_si128(Firsts(_mm512_castsi512_ps(s))));
  ASHLAR_UNROLL
  for (int g = 0; g < kTogether; ++g) {
    scale[g * stride] = scales[g];
    sum[g * stride] = sums[g];
  }
}

}  // namespace

void QuantizeRows(const float* x, std::int64_t x_stride, std::int64_t rows, std::int64_t columns,
                  const QuantizedRows& out) noexcept {
  const std::int64_t groups = columns / kGroup;
  const std::int64_t together = groups - groups % kTogether;
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t g = 0; g < together; g += kTogether) {
      QuantizeFour(x + m * x_stride + g * kGroup, out.q + (m * out.stride_groups + g) * kGroup,
                   out.scale + g * out.stride_rows + m, out.sum + g * out.stride_rows + m,
                   out.stride_rows);
    }
  }
  const QuantizedRows rest = {out.q + together * kGroup, out.scale + together * out.stride_rows,
                              out.sum + together * out.stride_rows, out.stride_groups,
                              out.stride_rows};
  internal::QuantizeRows<Group>(x + together * kGroup, x_stride, rows, columns - together * kGroup,
                                rest);
}

}  // namespace ashlar::avx512
