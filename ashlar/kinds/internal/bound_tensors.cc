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

void DecodeRows(const BoundTensor& tensor, std::int64_t row_begin, std::int64_t row_end,
                float* values, float* scratch) {
  const std::int64_t columns = tensor.stored_columns;
  const Residual* const residual = tensor.codec->residual;
  if (tensor.base != nullptr) {
    DecodeRows(*tensor.base, row_begin, row_end, values, scratch);
  }
  float* const own = tensor.base == nullptr ? values : scratch;
  if (residual == nullptr) {
    tensor.codec->decode(tensor.data, columns, row_begin, row_end, own);
  } else {
    ForEachRange(tensor.row_levels, row_begin, row_end,
                 [&](std::int64_t begin, std::int64_t end, int levels) {
                   residual->decode(tensor.levels.first(levels), tensor.stored_rows, columns, begin,
                                    end, own + (begin - row_begin) * columns);
                 });
  }
  if (tensor.base != nullptr) {
    for (std::int64_t i = 0; i < (row_end - row_begin) * columns; ++i) {
      values[i] += own[i];
    }
  }
}

std::vector<float> CopyVector(const BoundTensor& tensor) {
  CHECK_EQ(tensor.rows, 1);
  CHECK(tensor.base == nullptr);  // a residual codec holds matrices only
  std::vector<float> values(tensor.stored_columns);
  DecodeRows(tensor, 0, 1, values.data(), nullptr);
  values.resize(tensor.columns);
  values.shrink_to_fit();
  return values;
}

}  // namespace ashlar::internal
