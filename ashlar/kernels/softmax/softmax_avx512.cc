#include "ashlar/kernels/simd/f32x16.h"
#include "ashlar/kernels/softmax/softmax_simd.h"

namespace ashlar::avx512 {

void Softmax(const float* x, float* y, std::int64_t n) noexcept {
  simd::Softmax<simd::F32x16>(x, y, n);
}

}  // namespace ashlar::avx512
