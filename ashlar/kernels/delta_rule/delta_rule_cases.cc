#include "ashlar/kernels/delta_rule/delta_rule.h"
#include "ashlar/kernels/kernel_cases.h"

namespace ashlar {

// A row of a head of Qwen3-Next, whose state is read twice and written once: as it was, since calls
// in a row that let it decay would make numbers too small to be normal of it.
std::vector<KernelCase> DeltaRuleCases() {
  constexpr std::int64_t kDim = 128;
  constexpr std::int64_t kState = kDim * kDim;
  std::vector<KernelCase> cases;
  for (const DeltaRuleForm& form : DeltaRuleForms()) {
    cases.push_back({.kernel = "delta_rule",
                     .size = "128x128",
                     .isa = form.isa,
                     .bytes = 12.0 * kState,
                     .operations = 7.0 * kState,
                     .arithmetic = Arithmetic::kF32,
                     .prepare = [fn = form.fn] {
                       return [fn, all = MakeRandom(kState + 3 * kDim)] {
                         float* const rows = all.get() + kState;
                         fn({.state = all.get(),
                             .q = rows,
                             .k = rows + kDim,
                             .v = rows + 2 * kDim,
                             .key_dim = kDim,
                             .value_dim = kDim,
                             .keep = 1,
                             .write = 0});
                       };
                     }});
  }
  return cases;
}

}  // namespace ashlar
