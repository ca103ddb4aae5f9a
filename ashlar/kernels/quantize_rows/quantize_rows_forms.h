// The forms of quantize_rows, for its list.
#pragma once

#include "ashlar/kernels/quantize_rows/quantized_rows.h"

namespace ashlar {

void QuantizeRowsReference(const float* x, std::int64_t x_stride, std::int64_t rows,
                           std::int64_t columns, const QuantizedRows& out) noexcept;
namespace avx2 {
void QuantizeRows(const float* x, std::int64_t x_stride, std::int64_t rows, std::int64_t columns,
                  const QuantizedRows& out) noexcept;
}

}  // namespace ashlar
