// How much of its residual tensors a network runs with. Not part of a network's identity: the same
// network runs at any precision; a result depends on it, so it is part of the Merkle keys.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "ashlar/graph/tensor_manifest.h"

namespace ashlar {

// Rows [end of the range before, row_end) of a residual tensor have their first `levels` levels.
// row_end is a multiple of the codec's row_unit, or the tensor's end.
struct RowLevels {
  std::int64_t row_end;
  int levels;
  friend auto operator<=>(const RowLevels&, const RowLevels&) = default;
};

// Of one tensor, ascending; neighbours differ in levels; the last one ends with the tensor.
using TensorPrecision = std::vector<RowLevels>;

// Tensors by their first level, so that a tensor of several networks has one precision. A residual
// tensor that is not there has all of its levels.
using Precision = std::map<Level, TensorPrecision>;

}  // namespace ashlar
