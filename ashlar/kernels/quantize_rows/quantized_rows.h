// The int8 rows that quantize_rows writes and the integer kernels read.
#pragma once

#include <cstdint>

namespace ashlar {

inline constexpr int kGroup = 32;  // inputs that share a scale

// A view of quantized rows. A kernel takes a group of several rows at a time, so the scales of a
// group stand together, and its sums; it may read those of up to kRowsBeyond rows after the last
// (and not use them).
struct QuantizedRows {
  std::int8_t* q;              // [rows, stride_groups * 32], 64-byte aligned
  float* scale;                // [groups, stride_rows]
  std::int32_t* sum;           // [groups, stride_rows]
  std::int64_t stride_groups;  // from a row of q to the next
  std::int64_t stride_rows;    // from a group's scales, or sums, to the next group's
};
inline constexpr int kRowsBeyond = 15;

// A group whose magnitudes are all below this is zeros.
inline constexpr float kLeastMagnitude = 0x1p-120f;

}  // namespace ashlar
