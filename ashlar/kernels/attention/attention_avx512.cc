#include "ashlar/kernels/attention/attention_simd.h"
#include "ashlar/kernels/simd/f32x16.h"

namespace ashlar::avx512 {

void Attention(const AttentionArgs& args) noexcept {
  simd::Attention<simd::F32x16>(args);
}

}  // namespace ashlar::avx512
