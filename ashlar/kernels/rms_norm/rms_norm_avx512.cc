#include "ashlar/kernels/rms_norm/rms_norm_simd.h"
#include "ashlar/kernels/simd/f32x16.h"

namespace ashlar::avx512 {

void RmsNorm(const float* x, const float* w, float* y, std::int64_t n, float eps) noexcept {
  simd::RmsNorm<simd::F32x16>(x, w, y, n, eps);
}

}  // namespace ashlar::avx512
