#include <algorithm>
#include <cmath>

#include "ashlar/kernels/quantize_rows/quantize_rows_forms.h"

namespace ashlar {

void QuantizeRowsReference(const float* x, std::int64_t x_stride, std::int64_t rows,
                           std::int64_t columns, const QuantizedRows& out) noexcept {
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t g = 0; g < columns / kGroup; ++g) {
      const float* group = x + m * x_stride + g * kGroup;
      std::int8_t* q = out.q + (m * out.stride_groups + g) * kGroup;
      float largest = 0;
      for (int i = 0; i < kGroup; ++i) {
        largest = std::max(largest, std::fabs(group[i]));
      }
      const bool zeros = largest < kLeastMagnitude;
      const float scale = zeros ? 0.0f : largest / 127.0f;
      const float inverse = zeros ? 0.0f : 127.0f / largest;
      std::int32_t sum = 0;
      for (int i = 0; i < kGroup; ++i) {
        q[i] = static_cast<std::int8_t>(std::nearbyint(group[i] * inverse));
        sum += q[i];
      }
      out.scale[g * out.stride_rows + m] = scale;
      out.sum[g * out.stride_rows + m] = sum;
    }
  }
}

}  // namespace ashlar
