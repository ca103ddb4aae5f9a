#include "ashlar/kernels/activation/activation.h"
#include "ashlar/kernels/kernel_cases.h"

namespace ashlar {

// One gated row of a 1B model: gate, up and y.
std::vector<KernelCase> ActivationCases() {
  constexpr std::int64_t kWidth = 8192;
  std::vector<KernelCase> cases;
  for (const ActivationForm& form : ActivationForms()) {
    cases.push_back({.kernel = "activation/" + std::string(ActivationName(form.activation)),
                     .size = std::to_string(kWidth),
                     .isa = form.isa,
                     .bytes = 12.0 * kWidth,
                     .prepare = [fn = form.fn] {
                       return [fn, gate = MakeRandom(3 * kWidth)] {
                         fn(gate.get(), gate.get() + kWidth, gate.get() + 2 * kWidth, kWidth);
                       };
                     }});
  }
  return cases;
}

}  // namespace ashlar
