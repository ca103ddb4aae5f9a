// Where in a checkpoint the numbers of a block's tensor lie: whole tensors, some rows of one, rows
// of several one after the other, or a transposed matrix.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "ashlar/formats/recipe.h"
#include "ashlar/graph/kind.h"

namespace ashlar::internal {

// The checkpoint's tensors are matrices of `rows` outputs and `columns` inputs each (vectors: of
// one column), or the other way round; when `stack` is not 0, each is a stack of so many, of which
// the matrix at `index` is meant. The block's tensor is, of each: `groups` runs of `count` rows,
// the first at `first` and each `stride` after the one before; or, when it is turned, the matrix
// whose columns they are.
struct TensorPlace {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  bool transposed = false;
  std::int64_t stack = 0;
  std::int64_t index = 0;
  bool flat = false;  // the stack is written as one matrix
  std::int64_t first = 0;
  std::int64_t count = 0;
  std::int64_t groups = 1;
  std::int64_t stride = 0;
  bool turned = false;
  std::vector<std::int64_t> dims = {};  // of the checkpoint's, when it is more than a vector

  // Whether the block's tensor (of a stack, all of them) is a range of the bytes, as they are.
  bool contiguous() const {
    return groups == 1 && !transposed && !turned && (stack == 0 || count == rows);
  }
  // Which row of the checkpoint's matrix is row `row` of those that the block's tensor has of it.
  std::int64_t RowThere(std::int64_t row) const {
    return first + row / count * stride + row % count;
  }
};

// "gate" of "experts.3.gate.bias", "q" of "q".
std::string_view OwnName(const TensorSpec& spec);
// The tensor of the block that goes by `part` beside `spec`: "experts.3.up.bias" for up beside
// "experts.3.gate.bias".
std::string NameBeside(const TensorSpec& spec, std::string_view part);

// `specs` are all tensors of the block, `spec` one of them. kInvalid when rows or numbers cannot be
// shared out.
Result<TensorPlace> PlaceOf(const TensorSpec& spec, std::span<const TensorSpec> specs,
                            const Attributes& attributes, const TensorSource& source);

// Whether a tensor of the checkpoint may have this shape. A vector may be written with further
// dimensions, such as [heads, head_dim], and a stack with its matrices one after the other.
bool HasShape(const TensorPlace& place, const TensorSpec& spec,
              std::span<const std::int64_t> shape);
// The shape that it should have, for errors.
std::vector<std::int64_t> CheckpointShape(const TensorPlace& place, const TensorSpec& spec);

// The bytes of the block's tensor, out of those of the checkpoint's, whose numbers have
// `number_bytes` each; of a stack those of all of its matrices, one after the other. In `buffer`,
// unless they lie in one of the sources as they are.
std::span<const std::byte> Gather(const TensorPlace& place,
                                  std::span<const std::span<const std::byte>> sources,
                                  std::size_t number_bytes, std::vector<std::byte>& buffer);

// The way back, for one of the checkpoint's tensors: puts what the block's tensor has of number
// `source` of them where it stands in `out`, which is all of that one. (Of a stack, one matrix.)
void Scatter(const TensorPlace& place, std::size_t source, std::span<const std::byte> tensor,
             std::size_t number_bytes, std::span<std::byte> out);

}  // namespace ashlar::internal
