// What binding gets the weights of a block from.
#pragma once

#include <map>
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

// The used part of a vector as f32.
std::vector<float> CopyVector(const BoundTensor& tensor);

}  // namespace ashlar::internal
