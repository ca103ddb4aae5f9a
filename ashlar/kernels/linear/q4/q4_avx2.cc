#include "ashlar/codec/q4/layout.h"
#include "ashlar/kernels/linear/quantized_avx2.h"
#include "ashlar/kernels/linear/quantized_simd.h"

namespace ashlar::avx2 {
namespace {

// vpmaddubsw sums two products of an unsigned and a signed byte in 16 bits: at most 2 * 15 * 127.
// A whole group, 8 of them, is at most 30480 < 2^15, so sums stay in 16 bits for the group: two
// instructions per 32 products.
struct Q4Tile : QuantizedTile {
  using Layout = Q4Layout;
  using Weights = __m256i;   // 8 outputs x 4 inputs, biased
  using Integers = __m256i;  // 8 outputs x 2 sums of 16 bits

  // A line's low nibbles are outputs 0 to 15, high ones 16 to 31; half a line is two vectors.
  static constexpr int Output(int part, int v) {
    return (part + v / 2) * F32::kLanes + (v % 2) * 16;
  }
  template <int kVectors>
  static void Load(const std::byte* quad, int part, Weights (&w)[kVectors]) {
    const __m256i mask = _mm256_set1_epi8(15);
    ASHLAR_UNROLL
    for (int h = 0; h < kVectors / 2; ++h) {
      const __m256i both =
          _mm256_load_si256(reinterpret_cast<const __m256i*>(quad + 32 * (part + h)));
      w[2 * h] = _mm256_and_si256(both, mask);
      w[2 * h + 1] = _mm256_and_si256(_mm256_srli_epi16(both, 4), mask);
    }
  }
  static Integers Start(std::int32_t) { return _mm256_setzero_si256(); }
  static Integers Dot(Integers sum, Weights w, __m256i x4) {
    return _mm256_add_epi16(sum, _mm256_maddubs_epi16(w, x4));
  }
  static F32 Finish(Integers sum, std::int32_t x_sum) {
    const __m256i dot = _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
    return {_mm256_cvtepi32_ps(_mm256_sub_epi32(dot, _mm256_set1_epi32(Layout::kBias * x_sum)))};
  }
};

}  // namespace

void LinearQ4(const LinearArgs& args) noexcept {
  internal::QuantizedLinear<Q4Tile>(args);
}

}  // namespace ashlar::avx2
