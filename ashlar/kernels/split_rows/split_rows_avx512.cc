#include <immintrin.h>

#include "ashlar/kernels/simd/bf16_parts.h"
#include "ashlar/kernels/simd/transpose16.h"
#include "ashlar/kernels/split_rows/split_rows_forms.h"

namespace ashlar::avx512 {
namespace {

constexpr int kPairs = kSplitInputs / 2;

__mmask16 First(std::int64_t n) {
  return static_cast<__mmask16>(n >= 16 ? 0xffff : n <= 0 ? 0 : (1u << n) - 1);
}

// The pairs of a row's next 32 inputs, of which `left` are there.
[[gnu::always_inline]] inline void SplitBlock(const float* x, std::int64_t left,
                                              __m512i (&parts)[kSplitParts]) {
  const __m512 a = _mm512_maskz_loadu_ps(First(left), x);
  const __m512 b = _mm512_maskz_loadu_ps(First(left - 16), x + 16);
  simd::SplitBf16(a, b, parts);
}

// A single row's pairs stand in a row.
void SplitRow(const float* x, std::int64_t columns, std::uint32_t* pairs) {
  for (std::int64_t k = 0; k < columns; k += kSplitInputs, pairs += kSplitParts * kPairs) {
    __m512i parts[kSplitParts];
    SplitBlock(x + k, columns - k, parts);
    ASHLAR_UNROLL
    for (int part = 0; part < kSplitParts; ++part) {
      _mm512_storeu_si512(pairs + part * kPairs, parts[part]);
    }
  }
}

}  // namespace

void SplitRowsTiles(const float* x, std::int64_t x_stride, std::int64_t rows, std::int64_t columns,
                    std::int64_t tile_begin, std::int64_t tile_end, const SplitRows& out) noexcept {
  const std::int64_t line = out.tile_rows;
  const std::int64_t tile_pairs = out.blocks * kSplitParts * kPairs * line;
  if (line == 1) {
    for (std::int64_t row = tile_begin; row < tile_end; ++row) {
      SplitRow(x + row * x_stride, columns, out.pairs + row * tile_pairs);
    }
    return;
  }
  const __mmask16 columns_of_tile = First(line);
  for (std::int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const float* const tile_x = x + tile * line * x_stride;
    const std::int64_t tile_rows = rows - tile * line < line ? rows - tile * line : line;
    std::uint32_t* pairs = out.pairs + tile * tile_pairs;
    for (std::int64_t k = 0; k < columns; k += kSplitInputs) {
      __m512i parts[kSplitParts][16] = {};
      for (int r = 0; r < tile_rows; ++r) {
        __m512i of_row[kSplitParts];
        SplitBlock(tile_x + r * x_stride + k, columns - k, of_row);
        ASHLAR_UNROLL
        for (int part = 0; part < kSplitParts; ++part) {
          parts[part][r] = of_row[part];
        }
      }
      for (int part = 0; part < kSplitParts; ++part) {
        simd::Transpose16(parts[part]);
        for (int pair = 0; pair < kPairs; ++pair, pairs += line) {
          _mm512_mask_storeu_epi32(pairs, columns_of_tile, parts[part][pair]);
        }
      }
    }
  }
}

}  // namespace ashlar::avx512
