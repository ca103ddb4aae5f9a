// Sign matrices times magnitudes of low rank, level upon level, after BitStack (Wang et al., ICLR
// 2025): docs/formats/bitstack.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ashlar/codec/codec.h"

namespace ashlar {

extern const Codec kBitstack;

// What multiplies matrices for EncodeBitstack, so that a caller may bring a fast one:
// out [rows, width] = a [rows, columns] x [columns, width], or with a transposed
// out [columns, width] = a^T x [rows, width].
class MatrixProduct {
 public:
  virtual ~MatrixProduct() = default;
  virtual void Multiply(const float* a, std::int64_t rows, std::int64_t columns, bool transposed,
                        const float* x, std::int64_t width, float* out) = 0;
};

// Encodes the first out.size() levels. scales [columns]: how large each input is, any unit; empty:
// all alike. Larger inputs' weights are kept closer.
//
// Each level's magnitudes are cut to rank 16 by a randomized range finder with 8 more vectors than
// that and 2 power iterations (Halko, Martinsson, Tropp 2011, algorithm 4.4; fixed seed). With
// vectors of normal numbers the expected spectral error is, by their corollary 10.10 and theorem
// 9.3, at most 1 + (1 + sqrt(16 / 7) + e sqrt(24) / 8 * sqrt(min(rows, columns) - 16))^(1/5) times
// that of the best of rank 16: below 3.3 up to 10,000. Ours are vectors of signs; low_rank_test
// holds them to 1.25 times, and to 1.03 times the squared error.
void EncodeBitstack(const float* values, std::int64_t rows, std::int64_t columns,
                    std::span<const float> scales, MatrixProduct& product,
                    std::span<std::byte* const> out);

}  // namespace ashlar
