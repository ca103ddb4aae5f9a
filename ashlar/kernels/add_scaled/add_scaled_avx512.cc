#include "ashlar/kernels/add_scaled/add_scaled_simd.h"
#include "ashlar/kernels/simd/f32x16.h"

namespace ashlar::avx512 {

void AddScaled(float scale, const float* x, const float* b, float* y, std::int64_t n) noexcept {
  simd::AddScaled<simd::F32x16>(scale, x, b, y, n);
}

}  // namespace ashlar::avx512
