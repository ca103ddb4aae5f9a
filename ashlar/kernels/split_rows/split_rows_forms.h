// The forms of split_rows.
#pragma once

#include "ashlar/kernels/split_rows/split_rows_view.h"

namespace ashlar {

void SplitRowsReference(const float* x, std::int64_t x_stride, std::int64_t rows,
                        std::int64_t columns, std::int64_t tile_begin, std::int64_t tile_end,
                        const SplitRows& out) noexcept;
namespace avx512 {
void SplitRowsTiles(const float* x, std::int64_t x_stride, std::int64_t rows, std::int64_t columns,
                    std::int64_t tile_begin, std::int64_t tile_end, const SplitRows& out) noexcept;
}

}  // namespace ashlar
