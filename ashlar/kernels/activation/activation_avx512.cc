#include "ashlar/kernels/activation/activation_simd.h"
#include "ashlar/kernels/simd/f32x16.h"

namespace ashlar::avx512 {

void Silu(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  simd::Activate<simd::F32x16, simd::SiluOf>(gate, up, y, n);
}
void Gelu(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  simd::Activate<simd::F32x16, simd::GeluOf>(gate, up, y, n);
}
void GeluTanh(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  simd::Activate<simd::F32x16, simd::GeluTanhOf>(gate, up, y, n);
}
void Relu(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  simd::Activate<simd::F32x16, simd::ReluOf>(gate, up, y, n);
}
void Relu2(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  simd::Activate<simd::F32x16, simd::Relu2Of>(gate, up, y, n);
}
void Sigmoid(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  simd::Activate<simd::F32x16, simd::SigmoidOf>(gate, up, y, n);
}

}  // namespace ashlar::avx512
