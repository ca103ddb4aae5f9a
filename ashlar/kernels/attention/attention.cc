#include "ashlar/kernels/attention/attention.h"

#include <type_traits>

#include "ashlar/base/check.h"

namespace ashlar {

namespace reference {
std::remove_pointer_t<AttentionFn> AttentionF32, AttentionF16, AttentionQ8;
std::remove_pointer_t<StoreKeyValueFn> StoreKeyValueF32, StoreKeyValueF16, StoreKeyValueQ8;
}  // namespace reference
namespace avx2 {
std::remove_pointer_t<AttentionFn> AttentionF32, AttentionF16, AttentionQ8;
std::remove_pointer_t<StoreKeyValueFn> StoreKeyValueF32, StoreKeyValueF16, StoreKeyValueQ8;
}  // namespace avx2
namespace avx512 {
std::remove_pointer_t<AttentionFn> AttentionF32, AttentionF16, AttentionQ8;
std::remove_pointer_t<StoreKeyValueFn> StoreKeyValueF32, StoreKeyValueF16, StoreKeyValueQ8;
}  // namespace avx512

std::span<const AttentionForm> AttentionForms(KvFormat format) {
  static constexpr AttentionForm kF32[] = {
      {Isa::kReference, KvFormat::kF32, "reference", reference::AttentionF32,
       reference::StoreKeyValueF32},
      {Isa::kAvx2, KvFormat::kF32, "avx2", avx2::AttentionF32, avx2::StoreKeyValueF32},
      {Isa::kAvx512, KvFormat::kF32, "avx512", avx512::AttentionF32, avx512::StoreKeyValueF32},
  };
  static constexpr AttentionForm kF16[] = {
      {Isa::kReference, KvFormat::kF16, "reference", reference::AttentionF16,
       reference::StoreKeyValueF16},
      {Isa::kAvx2, KvFormat::kF16, "avx2", avx2::AttentionF16, avx2::StoreKeyValueF16},
      {Isa::kAvx512, KvFormat::kF16, "avx512", avx512::AttentionF16, avx512::StoreKeyValueF16},
  };
  static constexpr AttentionForm kQ8[] = {
      {Isa::kReference, KvFormat::kQ8, "reference", reference::AttentionQ8,
       reference::StoreKeyValueQ8},
      {Isa::kAvx2, KvFormat::kQ8, "avx2", avx2::AttentionQ8, avx2::StoreKeyValueQ8},
      {Isa::kAvx512, KvFormat::kQ8, "avx512", avx512::AttentionQ8, avx512::StoreKeyValueQ8},
  };
  switch (format) {
    case KvFormat::kF32:
      return kF32;
    case KvFormat::kF16:
      return kF16;
    case KvFormat::kQ8:
      return kQ8;
  }
  CHECK(false);
}

}  // namespace ashlar
