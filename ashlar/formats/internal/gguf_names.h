// What the tensors of each block kind are called in a GGUF file, whatever the architecture.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/formats/architecture.h"
#include "ashlar/formats/internal/row_order.h"
#include "ashlar/formats/internal/tensor_place.h"
#include "ashlar/graph/kind.h"

namespace ashlar::internal {

// A block's tensor and the file's, where {} stands for the layer. The file's may hold the rows of
// several: of the parts that are joined in it, or of every expert or head.
struct GgufName {
  std::string_view kind;
  std::string_view tensor;  // of a block of that kind; {} stands for the expert or head
  std::string_view gguf;
  const Joined* joined = nullptr;
  VectorDims dims = {};     // of the file's, when the block's is a vector
  Conversion convert = {};  // what a number of the file means
};

// Where the numbers of a block's tensor stand in the file.
struct GgufPlace {
  std::string name;
  TensorPlace rows;
  Conversion convert = {};
  bool joined = false;  // with other parts of the block

  // Whether the numbers of the file are not the block's, row by row.
  bool remade() const { return rows.turned || convert.meaning != nullptr; }
};

// The places where files have `tensor`, the usual one first; none when GGUF has no name for it. If
// `special` has any, those of all architectures do not count. kInvalid when rows cannot be shared
// out. Requires: `tensor` is one of `tensors`, the block's.
Result<std::vector<GgufPlace>> GgufPlacesOf(std::string_view kind, const TensorSpec& tensor,
                                            std::span<const TensorSpec> tensors,
                                            const Attributes& attributes, std::int64_t layer,
                                            std::span<const GgufName> special = {});

// Of architectures that turn neighbours, the rows of q and k (and their biases) stand in another
// order; else in this one.
RowOrder GgufRowOrder(bool turns_neighbours, std::string_view kind, std::string_view tensor,
                      const Attributes& attributes);

}  // namespace ashlar::internal
