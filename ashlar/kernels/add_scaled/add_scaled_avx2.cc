#include "ashlar/kernels/add_scaled/add_scaled_simd.h"
#include "ashlar/kernels/simd/f32x8.h"

namespace ashlar::avx2 {

void AddScaled(float scale, const float* x, const float* b, float* y, std::int64_t n) noexcept {
  simd::AddScaled<simd::F32x8>(scale, x, b, y, n);
}

}  // namespace ashlar::avx2
