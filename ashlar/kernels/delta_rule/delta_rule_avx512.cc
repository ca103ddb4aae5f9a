#include "ashlar/kernels/delta_rule/delta_rule_simd.h"
#include "ashlar/kernels/simd/f32x16.h"

namespace ashlar::avx512 {

void DeltaRule(const DeltaRuleArgs& args) noexcept {
  simd::DeltaRule<simd::F32x16>(args);
}

}  // namespace ashlar::avx512
