#include "ashlar/kernels/attention/attention_simd.h"
#include "ashlar/kernels/simd/f32x8.h"

namespace ashlar::avx2 {

using simd::F32x8;
using simd::Half;
using simd::Scaled8;

void AttentionF32(const AttentionArgs& args) noexcept {
  simd::Attention<F32x8, float>(args);
}
void AttentionF16(const AttentionArgs& args) noexcept {
  simd::Attention<F32x8, Half>(args);
}
void AttentionQ8(const AttentionArgs& args) noexcept {
  simd::Attention<F32x8, Scaled8>(args);
}

void StoreKeyValueF32(const AttentionShape& shape, const float* k, const float* v, int slot,
                      std::byte* page) noexcept {
  simd::StoreKeyValue<F32x8, float>(shape, k, v, slot, page);
}
void StoreKeyValueF16(const AttentionShape& shape, const float* k, const float* v, int slot,
                      std::byte* page) noexcept {
  simd::StoreKeyValue<F32x8, Half>(shape, k, v, slot, page);
}
void StoreKeyValueQ8(const AttentionShape& shape, const float* k, const float* v, int slot,
                     std::byte* page) noexcept {
  simd::StoreKeyValue<F32x8, Scaled8>(shape, k, v, slot, page);
}

}  // namespace ashlar::avx2
