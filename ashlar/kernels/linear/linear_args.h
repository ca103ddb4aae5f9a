// What a call of a linear kernel is given. (Apart from linear.h, so that the files compiled for one
// instruction set see plain data only.)
#pragma once

#include <cstddef>
#include <cstdint>

#include "ashlar/kernels/quantize_rows/quantized_rows.h"
#include "ashlar/kernels/split_rows/split_rows_view.h"

namespace ashlar {

struct LinearArgs {
  const std::byte* weights;   // the packed matrix, at output 0; 64-byte aligned
  std::uint64_t band_stride;  // bytes from one band of outputs to the next
  // Of a residual codec, instead of these two: where the first level_count levels begin, and what
  // their offsets are counted from.
  const std::byte* const* levels = nullptr;
  int level_count = 0;
  std::int64_t stored_rows = 0;
  std::int64_t stored_columns = 0;
  std::int64_t inputs;        // K: a multiple of the codec's column_unit
  std::int64_t output_begin;  // a multiple of the codec's row_unit
  std::int64_t output_end;    // any; only [output_begin, output_end) is written
  std::int64_t rows;          // M
  const float* x;             // kF32: [rows, x_stride]
  std::int64_t x_stride;      // floats
  QuantizedRows x_quantized;  // kQuantized
  SplitRows x_split;          // kSplit
  float* y;                   // y[m * y_stride + n], n counted from output 0
  std::int64_t y_stride;      // floats
};

}  // namespace ashlar
