// A tensor is a shape, a codec, and where its packed bytes lie. Its name is not part of it: equal
// weights under other names are the same tensor.
#pragma once

#include <cstdint>
#include <vector>

#include "ashlar/base/json_cursor.h"
#include "ashlar/codec/codec.h"
#include "ashlar/store/digest.h"
#include "ashlar/tensor/shape.h"

namespace ashlar {

// A range of a blob. A codec of one level has one; a residual codec has a list of which any
// prefix decodes.
struct Level {
  Digest blob;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  friend auto operator<=>(const Level&, const Level&) = default;
};

struct TensorManifest {
  Shape shape;
  const Codec* codec = nullptr;
  std::vector<Level> levels;

  std::uint64_t bytes() const;  // of all levels
  friend bool operator==(const TensorManifest&, const TensorManifest&) = default;
};

// {"codec":"q4.1","levels":[{"blob":"sha256:...","length":N,"offset":0}],"shape":[256,256]}
Json ToJson(const TensorManifest& tensor);
// Checks all that a manifest alone can tell: the codec exists and can hold the shape, and the
// levels' lengths are what it needs.
Result<TensorManifest> ParseTensorManifest(const JsonCursor& json);

}  // namespace ashlar
