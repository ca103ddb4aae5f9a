// What binding gets the weights of a block from.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/kinds/cpu_kind.h"

namespace ashlar::internal {

using BoundTensors = std::map<std::string, BoundTensor, std::less<>>;

// Requires: the block has that tensor (its declaration says so).
const BoundTensor& TensorNamed(const BoundTensors& tensors, std::string_view name);

// The same, or null when the block has no such tensor.
const BoundTensor* FindTensor(const BoundTensors& tensors, std::string_view name);

// Rows [row_begin, row_end) as f32, of all stored columns: values [row_end - row_begin,
// stored_columns]. `scratch` has room for as many again when the tensor has a base; else it may be
// null.
void DecodeRows(const BoundTensor& tensor, std::int64_t row_begin, std::int64_t row_end,
                float* values, float* scratch);

// body(begin, end, levels) for the parts of rows [begin, end) of a tensor that have one number of
// levels, in order.
template <class Body>
void ForEachRange(std::span<const RowLevels> ranges, std::int64_t begin, std::int64_t end,
                  const Body& body) {
  for (const RowLevels& range : ranges) {
    const std::int64_t last = std::min(end, range.row_end);
    if (begin < last) {
      body(begin, last, range.levels);
      begin = last;
    }
  }
}

// The used part of a vector as f32.
std::vector<float> CopyVector(const BoundTensor& tensor);

}  // namespace ashlar::internal
