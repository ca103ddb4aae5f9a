// Quantizers choose the bytes of a residual codec's levels by what the matrix is multiplied with.
//
// For y = W x the expected squared error of an output that is stored as q is e H e^T, where
// e = w - q and H = E[x x^T], the second moments of the inputs. Rounding each weight to the nearest
// is best when H is diagonal; inputs of a network are correlated, so that the error of one weight
// can be made good by its neighbours.
//
// Pure functions: the same bytes for the same numbers, whatever the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ashlar/base/thread_pool.h"
#include "ashlar/codec/codec.h"

namespace ashlar {

// What is known of the inputs and outputs of a matrix [N, K]. Views: they live through the call.
struct InputStatistics {
  // [K, K], E[x x^T], symmetric. Empty: unknown.
  std::span<const float> moments;
  // [K], its diagonal, for when `moments` is empty. Empty too: all inputs are alike.
  std::span<const float> diagonal;
  // [N], how much an output's squared error weighs (an embedding: how often its token occurs).
  // Empty: all are alike.
  std::span<const float> outputs;
};

struct Quantized {
  // [levels][bands of Codec::row_unit rows]: the sum over the band's outputs of weight * e H e^T
  // when the first level + 1 levels are there.
  std::vector<std::vector<double>> errors;
};

// Encodes values [rows, columns] in the first out.size() levels of a residual codec; out[l] has
// room for level l. The values may be a difference: a matrix less what its base decodes to.
// Requires: finite values; statistics of the sizes above, or empty; columns a multiple of the
// codec's column_unit; 1 <= out.size() <= codec.levels().
Quantized Quantize(const Codec& codec, const float* values, std::int64_t rows, std::int64_t columns,
                   const InputStatistics& statistics, std::span<std::byte* const> out,
                   ThreadPool& threads);

}  // namespace ashlar
