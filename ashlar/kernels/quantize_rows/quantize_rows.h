// Rounds rows of f32 activations to int8 in groups of 32, for the integer kernels.
//
// For each row m and group g of 32 inputs:
//   scale[m, g] = max_k |x[m, k]| / 127                          (f32)
//   q[m, k]     = round-half-even(x[m, k] * (127 / max_k |x[m, k]|))  in [-127, 127]
//   sum[m, g]   = sum_k q[m, k]                                   (int32)
// A group whose largest magnitude is below 2^-120, where 127 / it would overflow, is all zeros with
// the scale 0. Of a group that holds a NaN or an infinity nothing is promised.
// The sums let a kernel use unsigned weights (q + bias): sum q_w q_x = sum (q_w + b) q_x - b sum
// q_x.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ashlar/kernels/isa.h"
#include "ashlar/kernels/quantize_rows/quantized_rows.h"

namespace ashlar {

// Memory for `rows` quantized rows: the strides of a view, and the counts of its arrays. Rows that
// a kernel reads side by side are kept off the same sets of the first-level cache, which a distance
// of a multiple of its 4 KB would put them on.
struct QuantizedShape {
  std::int64_t stride_groups;
  std::int64_t stride_rows;
  std::int64_t q_count;
  std::int64_t scale_count;  // and of sums
};
QuantizedShape ShapeOfQuantized(std::int64_t rows, std::int64_t columns);

// The view from row `m` on.
QuantizedRows FromRow(const QuantizedRows& rows, std::int64_t m);

// Requires: columns % 32 == 0; x_stride in floats.
using QuantizeRowsFn = void (*)(const float* x, std::int64_t x_stride, std::int64_t rows,
                                std::int64_t columns, const QuantizedRows& out) noexcept;

struct QuantizeRowsForm {
  Isa isa;
  std::string_view name;
  QuantizeRowsFn fn;
};
std::span<const QuantizeRowsForm> QuantizeRowsForms();  // slowest first; [0] is the reference

}  // namespace ashlar
