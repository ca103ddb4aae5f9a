#include "ashlar/kernels/linear/bitstack/bitstack_forms.h"
#include "ashlar/kernels/linear/bitstack/bitstack_simd.h"
#include "ashlar/kernels/simd/f32x16.h"

namespace ashlar::avx512 {
namespace {

struct BitstackForm {
  using F32 = simd::F32x16;

  // Bit 4 * o + i of 64 goes to the top of lane o; 1 is positive.
  static F32 Signed(F32 magnitudes, const std::byte* word, int i) {
    std::int32_t bits[2];
    __builtin_memcpy(bits, word, sizeof bits);
    const __m512i both =
        _mm512_mask_set1_epi32(_mm512_set1_epi32(bits[0]), __mmask16{0xff00}, bits[1]);
    const __m512i up = _mm512_sub_epi32(
        _mm512_setr_epi32(31, 27, 23, 19, 15, 11, 7, 3, 31, 27, 23, 19, 15, 11, 7, 3),
        _mm512_set1_epi32(i));
    const __m512i tops = _mm512_sllv_epi32(both, up);
    return {_mm512_xor_ps(magnitudes.v,
                          _mm512_andnot_ps(_mm512_castsi512_ps(tops), _mm512_set1_ps(-0.0f)))};
  }
};

}  // namespace

void LinearBitstack(const LinearArgs& args) noexcept {
  internal::BitstackLinear<BitstackForm>(args);
}

}  // namespace ashlar::avx512
