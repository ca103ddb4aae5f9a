#include "ashlar/kernels/kernel_cases.h"
#include "ashlar/kernels/layer_norm/layer_norm.h"

namespace ashlar {

// One row: x, w, b and y.
std::vector<KernelCase> LayerNormCases() {
  std::vector<KernelCase> cases;
  for (const std::int64_t n : {2048, 4096}) {
    for (const LayerNormForm& form : LayerNormForms()) {
      cases.push_back({.kernel = "layer_norm",
                       .size = std::to_string(n),
                       .isa = form.isa,
                       .bytes = 16.0 * static_cast<double>(n),
                       .prepare = [fn = form.fn, n] {
                         return [fn, n, x = MakeRandom(4 * n)] {
                           fn(x.get(), x.get() + n, x.get() + 2 * n, x.get() + 3 * n, n, 1e-5F);
                         };
                       }});
    }
  }
  return cases;
}

}  // namespace ashlar
