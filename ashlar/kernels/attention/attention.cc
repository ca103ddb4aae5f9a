#include "ashlar/kernels/attention/attention.h"

#include <type_traits>

namespace ashlar {

namespace reference {
std::remove_pointer_t<AttentionFn> Attention;
}
namespace avx2 {
std::remove_pointer_t<AttentionFn> Attention;
}
namespace avx512 {
std::remove_pointer_t<AttentionFn> Attention;
}

std::span<const AttentionForm> AttentionForms() {
  static constexpr AttentionForm kForms[] = {
      {Isa::kReference, "reference", reference::Attention},
      {Isa::kAvx2, "avx2", avx2::Attention},
      {Isa::kAvx512, "avx512", avx512::Attention},
  };
  return kForms;
}

void StoreKeyValue(const AttentionShape& shape, const float* k, const float* v, int slot,
                   float* page) {
  for (std::int64_t i = 0; i < shape.kv_heads * shape.key_dim; ++i) {
    page[i * kPageLength + slot] = k[i];
  }
  float* values = page + PageValueOffset(shape);
  for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
    for (std::int64_t d = 0; d < shape.value_dim; ++d) {
      values[(head * kPageLength + slot) * shape.value_dim + d] = v[head * shape.value_dim + d];
    }
  }
}

}  // namespace ashlar
