#include "ashlar/kernels/layer_norm/layer_norm_simd.h"
#include "ashlar/kernels/simd/f32x16.h"

namespace ashlar::avx512 {

void LayerNorm(const float* x, const float* w, const float* b, float* y, std::int64_t n,
               float eps) noexcept {
  simd::LayerNorm<simd::F32x16>(x, w, b, y, n, eps);
}

}  // namespace ashlar::avx512
