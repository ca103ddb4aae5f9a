#include <cmath>

#include "ashlar/kernels/rms_norm/rms_norm.h"

namespace ashlar::reference {

void RmsNorm(const float* x, const float* w, float* y, std::int64_t n, float eps) noexcept {
  double squares = 0;
  for (std::int64_t k = 0; k < n; ++k) {
    squares += static_cast<double>(x[k]) * x[k];
  }
  const double root = std::sqrt(squares / static_cast<double>(n) + eps);
  for (std::int64_t k = 0; k < n; ++k) {
    y[k] = static_cast<float>(x[k] / root * w[k]);
  }
}

}  // namespace ashlar::reference
