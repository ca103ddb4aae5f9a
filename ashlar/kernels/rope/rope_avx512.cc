#include "ashlar/kernels/rope/rope_simd.h"
#include "ashlar/kernels/simd/f32x16.h"

namespace ashlar::avx512 {

void Rope(float* x, std::int64_t heads, std::int64_t head_dim, std::int64_t rotary,
          const float* cos, const float* sin) noexcept {
  simd::Rope<simd::F32x16>(x, heads, head_dim, rotary, cos, sin);
}

void RopeNeighbours(float* x, std::int64_t heads, std::int64_t head_dim, std::int64_t rotary,
                    const float* cos, const float* sin) noexcept {
  simd::RopeNeighbours<simd::F32x16>(x, heads, head_dim, rotary, cos, sin);
}

}  // namespace ashlar::avx512
