#include <cmath>

#include "ashlar/kernels/selective_scan/selective_scan.h"

namespace ashlar::reference {

void SelectiveScan(const SelectiveScanArgs& args) noexcept {
  const double step = args.step;
  for (std::int64_t channel = 0; channel < args.channels; ++channel) {
    float* const h = args.h + channel * args.n;
    float& x = args.x[channel];
    double y = static_cast<double>(args.skip) * x;
    for (std::int64_t i = 0; i < args.n; ++i) {
      const double decay = args.decay[args.decay_of_all ? 0 : i];
      h[i] = static_cast<float>(std::exp(step * decay) * h[i] + step * x * args.b[i]);
      y += static_cast<double>(args.c[i]) * h[i];
    }
    x = static_cast<float>(y);
  }
}

}  // namespace ashlar::reference
