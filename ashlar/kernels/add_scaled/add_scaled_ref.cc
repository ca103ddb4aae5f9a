#include "ashlar/kernels/add_scaled/add_scaled.h"

namespace ashlar::reference {

void AddScaled(float scale, const float* x, const float* b, float* y, std::int64_t n) noexcept {
  for (std::int64_t k = 0; k < n; ++k) {
    const float product = scale * x[k];
    y[k] = product + b[k];
  }
}

}  // namespace ashlar::reference
