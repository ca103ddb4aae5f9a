#include "ashlar/kernels/kernel_cases.h"
#include "ashlar/kernels/rms_norm/rms_norm.h"

namespace ashlar {

// One row of a 1B and an 8B model: x, w and y.
std::vector<KernelCase> RmsNormCases() {
  std::vector<KernelCase> cases;
  for (const std::int64_t n : {2048, 4096}) {
    for (const RmsNormForm& form : RmsNormForms()) {
      cases.push_back({.kernel = "rms_norm",
                       .size = std::to_string(n),
                       .isa = form.isa,
                       .bytes = 12.0 * static_cast<double>(n),
                       .prepare = [fn = form.fn, n] {
                         return [fn, n, x = MakeRandom(3 * n)] {
                           fn(x.get(), x.get() + n, x.get() + 2 * n, n, 1e-5F);
                         };
                       }});
    }
  }
  return cases;
}

}  // namespace ashlar
