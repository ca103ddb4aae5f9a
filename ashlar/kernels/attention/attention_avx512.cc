#include "ashlar/kernels/attention/attention_simd.h"
#include "ashlar/kernels/simd/f32x16.h"

namespace ashlar::avx512 {

using simd::F32x16;
using simd::Half;
using simd::Scaled8;

void AttentionF32(const AttentionArgs& args) noexcept {
  simd::Attention<F32x16, float>(args);
}
void AttentionF16(const AttentionArgs& args) noexcept {
  simd::Attention<F32x16, Half>(args);
}
void AttentionQ8(const AttentionArgs& args) noexcept {
  simd::Attention<F32x16, Scaled8>(args);
}

void StoreKeyValueF32(const AttentionShape& shape, const float* k, const float* v, int slot,
                      std::byte* page) noexcept {
  simd::StoreKeyValue<F32x16, float>(shape, k, v, slot, page);
}
void StoreKeyValueF16(const AttentionShape& shape, const float* k, const float* v, int slot,
                      std::byte* page) noexcept {
  simd::StoreKeyValue<F32x16, Half>(shape, k, v, slot, page);
}
void StoreKeyValueQ8(const AttentionShape& shape, const float* k, const float* v, int slot,
                     std::byte* page) noexcept {
  simd::StoreKeyValue<F32x16, Scaled8>(shape, k, v, slot, page);
}

}  // namespace ashlar::avx512
