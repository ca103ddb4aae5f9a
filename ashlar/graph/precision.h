// How much of its residual tensors a network runs with. Not part of a network's identity: the same
// network runs at any precision; a result depends on it, so it is part of the Merkle keys.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ashlar/graph/tensor_manifest.h"

namespace ashlar {

struct Block;

// Rows [end of the range before, row_end) of a residual tensor have their first `levels` levels, or
// all when the tensor has fewer. row_end is a multiple of the codec's row_unit, or the tensor's
// end.
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

// What `precision` says of the tensor, or all of its levels. (A codec that is not residual has
// one.)
TensorPrecision PrecisionOf(const TensorManifest& tensor, const Precision& precision);

// kInvalid when it is none of that tensor (as PrecisionOf gives it): rows that are no whole bands
// or not ascending, no levels.
Status CheckPrecision(const TensorManifest& tensor, const TensorPrecision& precision);

// The parts of the blob of one level that are read: the header, and the bands of the rows that have
// the level. Ascending, apart; none when no row has it. Requires: CheckPrecision.
std::vector<Level> ResidentParts(const TensorManifest& tensor, int level,
                                 const TensorPrecision& precision);

// Of all levels, and of those of the base. Requires: CheckPrecision of both.
std::vector<Level> ResidentParts(const TensorManifest& tensor, const Precision& precision);

// Names the precision that a block's tensors have: equal texts are equal precisions. Empty when
// each has all of its levels.
std::string PrecisionText(const Block& block, const Precision& precision);

}  // namespace ashlar
