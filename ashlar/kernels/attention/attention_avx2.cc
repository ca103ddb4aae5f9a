#include "ashlar/kernels/attention/attention_simd.h"
#include "ashlar/kernels/simd/f32x8.h"

namespace ashlar::avx2 {

void Attention(const AttentionArgs& args) noexcept {
  simd::Attention<simd::F32x8>(args);
}

}  // namespace ashlar::avx2
