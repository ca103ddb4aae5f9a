#include "ashlar/kernels/kernel_cases.h"
#include "ashlar/kernels/selective_scan/selective_scan.h"

namespace ashlar {

// A row of a head of Mamba-2 (a decay of all), and of a channel of Mamba, over their states. A step
// of 0 leaves them as they are: calls in a row would make numbers too small to be normal of others.
std::vector<KernelCase> SelectiveScanCases() {
  struct Head {
    std::int64_t channels, n;
  };
  std::vector<KernelCase> cases;
  for (const Head head : {Head{64, 128}, Head{1, 16}}) {
    for (const SelectiveScanForm& form : SelectiveScanForms()) {
      const std::int64_t state = head.channels * head.n;
      const std::int64_t count = state + head.channels + 3 * head.n;
      cases.push_back({.kernel = "selective_scan",
                       .size = std::to_string(head.channels) + "x" + std::to_string(head.n),
                       .isa = form.isa,
                       .bytes = 8.0 * static_cast<double>(state),
                       .operations = 5.0 * static_cast<double>(state),
                       .arithmetic = Arithmetic::kF32,
                       .prepare = [fn = form.fn, head, state, count] {
                         return [fn, head, state, all = MakeRandom(count)] {
                           float* const vectors = all.get() + state + head.channels;
                           float* const decay = vectors + 2 * head.n;
                           fn({.h = all.get(),
                               .x = all.get() + state,
                               .channels = head.channels,
                               .n = head.n,
                               .b = vectors,
                               .c = vectors + head.n,
                               .decay = decay,
                               .decay_of_all = head.channels > 1,
                               .step = 0,
                               .skip = 0});
                         };
                       }});
    }
  }
  return cases;
}

}  // namespace ashlar
