// Encodes a matrix in levels, by how the calibration used it, and stores them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "ashlar/base/thread_pool.h"
#include "ashlar/calibrate/input_moments.h"
#include "ashlar/calibrate/phases.h"
#include "ashlar/graph/statistics.h"

namespace ashlar {

struct MatrixUse {
  std::shared_ptr<const Moments> moments;        // of what it was multiplied with; null: of nothing
  std::map<std::int32_t, std::int64_t> lookups;  // how often a row was read as it is
  std::vector<float> likely;  // where rows are logits: the mean probability of each; else empty
};

// All numbers of a stored matrix, on all threads. kCorrupt when bytes of it are gone.
Result<std::vector<float>> ReadMatrix(const BlobStore& store, const TensorManifest& tensor,
                                      ThreadPool& pool);

// The levels of a residual tensor that have at most so many bits per weight, scales apart; one at
// least.
int LevelsWithin(const Codec& codec, const Shape& shape, int max_bits);

// Puts the first `levels` levels of values, row-major, into the store. What comes of it lacks the
// source, the base and the losses. kInvalid: a number, or a mean square of the inputs, is not
// finite. Requires: a writing lease.
Result<TensorStatistics> EncodeMatrix(BlobStore& store, const Codec& codec, const Shape& shape,
                                      int levels, std::span<const float> values,
                                      const MatrixUse& use, ThreadPool& pool, Phases& phases);

// The squared error that the tensor's first level + 1 levels leave, summed over its bands.
Result<std::vector<double>> ErrorsOf(const BlobStore& store, const TensorStatistics& statistics);

}  // namespace ashlar
