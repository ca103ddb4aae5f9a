#include "ashlar/kernels/simd/f32x8.h"
#include "ashlar/kernels/softmax/softmax_simd.h"

namespace ashlar::avx2 {

void Softmax(const float* x, float* y, std::int64_t n) noexcept {
  simd::Softmax<simd::F32x8>(x, y, n);
}

}  // namespace ashlar::avx2
