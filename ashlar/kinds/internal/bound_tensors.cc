#include "ashlar/kinds/internal/bound_tensors.h"

#include "ashlar/base/check.h"

namespace ashlar::internal {

const BoundTensor* FindTensor(const BoundTensors& tensors, std::string_view name) {
  const auto tensor = tensors.find(name);
  return tensor == tensors.end() ? nullptr : &tensor->second;
}

const BoundTensor& TensorNamed(const BoundTensors& tensors, std::string_view name) {
  const BoundTensor* tensor = FindTensor(tensors, name);
  CHECK(tensor != nullptr);
  return *tensor;
}

std::vector<float> CopyVector(const BoundTensor& tensor) {
  CHECK_EQ(tensor.rows, 1);
  std::vector<float> values(tensor.stored_columns);
  tensor.codec->decode(tensor.data, tensor.stored_columns, 0, 1, values.data());
  values.resize(tensor.columns);
  values.shrink_to_fit();
  return values;
}

}  // namespace ashlar::internal
