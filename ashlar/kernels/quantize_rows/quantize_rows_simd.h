// The body of quantize_rows, for any instruction set. Every step is one IEEE 754 operation per
// number, so all forms give the bits of the reference. `Group` holds a group of 32 numbers in
// registers of one instruction set:
//
//   Load(x) -> Group, group.MaxMagnitude() -> float, group.Store(steps per unit, q) -> sum of q
#pragma once

#include <cstdint>

#include "ashlar/kernels/quantize_rows/quantized_rows.h"

namespace ashlar::internal {

template <class Group>
void QuantizeRows(const float* x, std::int64_t x_stride, std::int64_t rows, std::int64_t columns,
                  const QuantizedRows& out) {
  const std::int64_t groups = columns / kGroup;
  for (std::int64_t m = 0; m < rows; ++m) {
    std::int8_t* const q = out.q + m * out.stride_groups * kGroup;
    for (std::int64_t g = 0; g < groups; ++g) {
      const Group group = Group::Load(x + m * x_stride + g * kGroup);
      const float largest = group.MaxMagnitude();
      const bool zeros = largest < kLeastMagnitude;
      out.scale[g * out.stride_rows + m] = zeros ? 0.0f : largest / 127.0f;
      out.sum[g * out.stride_rows + m] =
          group.Store(zeros ? 0.0f : 127.0f / largest, q + g * kGroup);
    }
  }
}

}  // namespace ashlar::internal
