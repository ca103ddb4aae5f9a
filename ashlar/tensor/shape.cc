#include "ashlar/tensor/shape.h"

#include <algorithm>

#include "ashlar/base/join.h"

namespace ashlar {
namespace {

// What is wrong with `dims`, or nothing.
Status CheckDims(std::span<const std::int64_t> dims) {
  if (dims.size() > Shape::kMaxRank) {
    return Invalid("a shape has {} dimensions; at most {} are supported", dims.size(),
                   Shape::kMaxRank);
  }
  std::int64_t elements = 1;
  for (const std::int64_t dim : dims) {
    if (dim < 1) {
      return Invalid("a shape [{}] has a dimension {}; each must be at least 1", Join(dims, ", "),
                     dim);
    }
    if (dim > Shape::kMaxElements / elements) {
      return Invalid("a shape [{}] has more than {} elements", Join(dims, ", "),
                     Shape::kMaxElements);
    }
    elements *= dim;
  }
  return {};
}

}  // namespace

Shape::Shape(std::initializer_list<std::int64_t> dims) {
  CHECK(CheckDims({dims.begin(), dims.size()}).ok());
  std::copy(dims.begin(), dims.end(), dims_.begin());
  rank_ = static_cast<int>(dims.size());
}

Result<Shape> Shape::Make(std::span<const std::int64_t> dims) {
  ASHLAR_TRY(CheckDims(dims));
  Shape shape;
  std::copy(dims.begin(), dims.end(), shape.dims_.begin());
  shape.rank_ = static_cast<int>(dims.size());
  return shape;
}

std::int64_t Shape::elements() const {
  std::int64_t elements = 1;
  for (const std::int64_t dim : dims()) {
    elements *= dim;
  }
  return elements;
}

std::string Shape::ToString() const {
  return fmt::format("[{}]", Join(dims(), ", "));
}

}  // namespace ashlar
