#include <cmath>

#include "ashlar/kernels/layer_norm/layer_norm.h"

namespace ashlar::reference {

void LayerNorm(const float* x, const float* w, const float* b, float* y, std::int64_t n,
               float eps) noexcept {
  double sum = 0;
  for (std::int64_t k = 0; k < n; ++k) {
    sum += x[k];
  }
  const double mean = sum / static_cast<double>(n);
  double squares = 0;
  for (std::int64_t k = 0; k < n; ++k) {
    squares += (x[k] - mean) * (x[k] - mean);
  }
  const double root = std::sqrt(squares / static_cast<double>(n) + eps);
  for (std::int64_t k = 0; k < n; ++k) {
    const double bias = b == nullptr ? 0 : b[k];
    y[k] = static_cast<float>((x[k] - mean) / root * w[k] + bias);
  }
}

}  // namespace ashlar::reference
