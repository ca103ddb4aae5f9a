// Where a GGUF file has a block's tensor, and its bytes as ashlar stores them.
#pragma once

#include <functional>

#include "ashlar/formats/gguf_read.h"
#include "ashlar/formats/internal/gguf_names.h"

namespace ashlar::internal {

using PackedSink = std::function<Status(std::span<const std::byte> packed)>;

// A view: the file and its entry outlive it.
struct GgufSource {
  const GgufEntry* entry;
  Shape shape;  // of the block's tensor
  GgufPlace place;
  RowOrder order = {};  // which of the file's rows is which of ours

  // What ForPacked gives is in this codec: the file's, or f32 where the numbers are remade.
  const Codec& codec() const;
  // Of the rows that the file has of the tensor.
  Shape shape_there() const { return place.rows.turned ? Shape{shape[1], shape[0]} : shape; }
  // Which of the entry's rows has number `row` of those.
  std::int64_t RowThere(std::int64_t row) const;

  // All bytes of the tensor, some bands at a time, so that memory does not grow with it (but for
  // what is remade). kInvalid when the type cannot hold such bytes, or a number has no meaning.
  Status ForPacked(const PackedSink& sink) const;

 private:
  using RowsSink = std::function<Status(std::span<const std::byte> packed, std::int64_t rows)>;
  Status ForRows(const RowsSink& sink) const;
  Result<std::vector<float>> Remade() const;
};

}  // namespace ashlar::internal
