// The int8 rows that quantize_rows writes and the integer kernels read.
#pragma once

#include <cstdint>

namespace ashlar {

inline constexpr int kGroup = 32;  // inputs that share a scale

// A view of quantized rows. `stride_groups` is the distance between rows, in groups, of all three.
struct QuantizedRows {
  std::int8_t* q;     // [rows, stride_groups * 32], 64-byte aligned
  float* scale;       // [rows, stride_groups]
  std::int32_t* sum;  // [rows, stride_groups]
  std::int64_t stride_groups;
};

}  // namespace ashlar
