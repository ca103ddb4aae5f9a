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
      const float scale = largest / 127.0f;
      std::int32_t sum = 0;
      for (int i = 0; i < kGroup; ++i) {
        // (A quotient can exceed 127 by a rounding; of subnormal numbers, by much.)
        const float quotient = scale == 0 ? 0.0f : std::clamp(group[i] / scale, -127.0f, 127.0f);
        q[i] = static_cast<std::int8_t>(std::nearbyint(quotient));
        sum += q[i];
      }
      out.scale[g * out.stride_rows + m] = scale;
      out.sum[g * out.stride_rows + m] = sum;
    }
  }
}

}  // namespace ashlar
