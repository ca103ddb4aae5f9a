#include "ashlar/kernels/linear/bitstack/bitstack_forms.h"
#include "ashlar/kernels/linear/bitstack/bitstack_simd.h"
#include "ashlar/kernels/simd/f32x8.h"

namespace ashlar::avx2 {
namespace {

struct BitstackForm {
  using F32 = simd::F32x8;

  // Bit 4 * o + i of 32 goes to the top of lane o; 1 is positive.
  static F32 Signed(F32 magnitudes, const std::byte* word, int i) {
    std::int32_t bits;
    __builtin_memcpy(&bits, word, sizeof bits);
    const __m256i up =
        _mm256_sub_epi32(_mm256_setr_epi32(31, 27, 23, 19, 15, 11, 7, 3), _mm256_set1_epi32(i));
    const __m256i tops = _mm256_sllv_epi32(_mm256_set1_epi32(bits), up);
    return {_mm256_xor_ps(magnitudes.v,
                          _mm256_andnot_ps(_mm256_castsi256_ps(tops), _mm256_set1_ps(-0.0f)))};
  }
};

}  // namespace

void LinearBitstack(const LinearArgs& args) noexcept {
  internal::BitstackLinear<BitstackForm>(args);
}

}  // namespace ashlar::avx2
