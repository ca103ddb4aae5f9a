#include "ashlar/kernels/activation/activation_simd.h"
#include "ashlar/kernels/simd/f32x8.h"

namespace ashlar::avx2 {

void Silu(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  simd::Activate<simd::F32x8, simd::SiluOf>(gate, up, y, n);
}
void Gelu(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  simd::Activate<simd::F32x8, simd::GeluOf>(gate, up, y, n);
}
void GeluTanh(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  simd::Activate<simd::F32x8, simd::GeluTanhOf>(gate, up, y, n);
}
void Relu(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  simd::Activate<simd::F32x8, simd::ReluOf>(gate, up, y, n);
}
void Relu2(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  simd::Activate<simd::F32x8, simd::Relu2Of>(gate, up, y, n);
}
void Sigmoid(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  simd::Activate<simd::F32x8, simd::SigmoidOf>(gate, up, y, n);
}

}  // namespace ashlar::avx2
