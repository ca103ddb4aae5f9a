#include <cmath>

#include "ashlar/kernels/softmax/softmax.h"

namespace ashlar::reference {

void Softmax(const float* x, float* y, std::int64_t n) noexcept {
  double max = x[0];
  for (std::int64_t k = 1; k < n; ++k) {
    max = x[k] > max ? x[k] : max;
  }
  double sum = 0;
  for (std::int64_t k = 0; k < n; ++k) {
    sum += std::exp(x[k] - max);
  }
  for (std::int64_t k = 0; k < n; ++k) {
    y[k] = static_cast<float>(std::exp(x[k] - max) / sum);
  }
}

}  // namespace ashlar::reference
