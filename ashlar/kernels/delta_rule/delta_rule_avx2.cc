#include "ashlar/kernels/delta_rule/delta_rule_simd.h"
#include "ashlar/kernels/simd/f32x8.h"

namespace ashlar::avx2 {

void DeltaRule(const DeltaRuleArgs& args) noexcept {
  simd::DeltaRule<simd::F32x8>(args);
}

}  // namespace ashlar::avx2
