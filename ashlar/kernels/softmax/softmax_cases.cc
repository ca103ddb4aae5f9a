#include "ashlar/kernels/kernel_cases.h"
#include "ashlar/kernels/softmax/softmax.h"

namespace ashlar {

// The logits of a small and a large vocabulary: x and y.
std::vector<KernelCase> SoftmaxCases() {
  std::vector<KernelCase> cases;
  for (const std::int64_t n : {32'000, 151'936}) {
    for (const SoftmaxForm& form : SoftmaxForms()) {
      cases.push_back({.kernel = "softmax",
                       .size = std::to_string(n),
                       .isa = form.isa,
                       .bytes = 8.0 * static_cast<double>(n),
                       .prepare = [fn = form.fn, n] {
                         return [fn, n, x = MakeRandom(2 * n)] { fn(x.get(), x.get() + n, n); };
                       }});
    }
  }
  return cases;
}

}  // namespace ashlar
