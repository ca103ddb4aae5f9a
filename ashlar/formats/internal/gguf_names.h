// What the tensors of each block kind are called in a GGUF file, whatever the architecture.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/formats/internal/row_order.h"
#include "ashlar/graph/kind.h"

namespace ashlar::internal {

// A block's tensor and the file's, where {} stands for the layer. The file's may hold the rows of
// several: of the parts that are joined in it, one after the other, or of every expert or head.
struct GgufName {
  std::string_view kind;
  std::string_view tensor;  // of a block of that kind; {} stands for the expert or head
  std::string_view gguf;
  std::span<const std::string_view> joined = {};
};

// Where the rows of a block's tensor stand in the file.
struct GgufPlace {
  std::string name;
  std::vector<std::int64_t> shape;  // of the file's tensor, outermost first
  std::int64_t first_row = 0;
  bool joined = false;  // with other parts of the block
};

// The places where files have `tensor`, the usual one first; none when GGUF has no name for it.
// `special` goes before the names of all architectures. Requires: `tensor` is one of `tensors`, the
// block's.
std::vector<GgufPlace> GgufPlacesOf(std::string_view kind, const TensorSpec& tensor,
                                    std::span<const TensorSpec> tensors, std::int64_t layer,
                                    std::span<const GgufName> special = {});

// Of architectures that turn neighbours, the rows of q and k (and their biases) stand in another
// order; else in this one.
RowOrder GgufRowOrder(bool turns_neighbours, std::string_view kind, std::string_view tensor,
                      const Attributes& attributes);

}  // namespace ashlar::internal
