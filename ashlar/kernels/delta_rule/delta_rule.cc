#include "ashlar/kernels/delta_rule/delta_rule.h"

#include <type_traits>

namespace ashlar {

namespace reference {
std::remove_pointer_t<DeltaRuleFn> DeltaRule;
}
namespace avx2 {
std::remove_pointer_t<DeltaRuleFn> DeltaRule;
}
namespace avx512 {
std::remove_pointer_t<DeltaRuleFn> DeltaRule;
}

std::span<const DeltaRuleForm> DeltaRuleForms() {
  static constexpr DeltaRuleForm kForms[] = {
      {Isa::kReference, "reference", reference::DeltaRule},
      {Isa::kAvx2, "avx2", avx2::DeltaRule},
      {Isa::kAvx512, "avx512", avx512::DeltaRule},
  };
  return kForms;
}

}  // namespace ashlar
