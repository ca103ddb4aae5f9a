// Splits f32 activations into parts of bf16, whose products tiles can sum.
//
// A finite x is x1 + x2 + x3 exactly: x1 has the first 8 bits of its significand (truncated), x2
// the first 8 of what is left, x3 the rest, and all have x's sign. What is below 2^-133, the least
// bf16, is cut off. An infinity is itself and two zeros, a NaN a NaN and two zeros.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ashlar/kernels/isa.h"
#include "ashlar/kernels/split_rows/split_rows_view.h"

namespace ashlar {

// Memory for `rows` split rows: the members of a view of all, and the count of its pairs.
struct SplitShape {
  std::int64_t blocks;
  std::int64_t tile_rows;
  std::int64_t tiles;
  std::int64_t pair_count;
};
SplitShape ShapeOfSplit(std::int64_t rows, std::int64_t columns);

// The view from row `m` on.
SplitRows FromRow(const SplitRows& rows, std::int64_t m);

// Writes tiles [tile_begin, tile_end) of `rows` rows of x, and of each its first blocks: those that
// `columns` have. Requires: x_stride in floats; out.first == 0.
using SplitRowsFn = void (*)(const float* x, std::int64_t x_stride, std::int64_t rows,
                             std::int64_t columns, std::int64_t tile_begin, std::int64_t tile_end,
                             const SplitRows& out) noexcept;

struct SplitRowsForm {
  Isa isa;
  std::string_view name;
  SplitRowsFn fn;
};
std::span<const SplitRowsForm> SplitRowsForms();  // slowest first; [0] is the reference

}  // namespace ashlar
