#include "ashlar/kernels/rms_norm/rms_norm_simd.h"
#include "ashlar/kernels/simd/f32x8.h"

namespace ashlar::avx2 {

void RmsNorm(const float* x, const float* w, float* y, std::int64_t n, float eps) noexcept {
  simd::RmsNorm<simd::F32x8>(x, w, y, n, eps);
}

}  // namespace ashlar::avx2
