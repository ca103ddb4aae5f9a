#include "ashlar/kernels/add_scaled/add_scaled.h"
#include "ashlar/kernels/kernel_cases.h"

namespace ashlar {

// The residual sum of one row of a 1B model.
std::vector<KernelCase> AddScaledCases() {
  constexpr std::int64_t kWidth = 2048;
  std::vector<KernelCase> cases;
  for (const AddScaledForm& form : AddScaledForms()) {
    cases.push_back({.kernel = "add_scaled",
                     .size = std::to_string(kWidth),
                     .isa = form.isa,
                     .bytes = 12.0 * kWidth,
                     .prepare = [fn = form.fn] {
                       return [fn, x = MakeRandom(3 * kWidth)] {
                         fn(1, x.get(), x.get() + kWidth, x.get() + 2 * kWidth, kWidth);
                       };
                     }});
  }
  return cases;
}

}  // namespace ashlar
