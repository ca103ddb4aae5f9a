// A tensor is a shape, a codec, and where its packed bytes lie. Its name is not part of it: equal
// weights under other names are the same tensor.
#pragma once

#include <cstdint>
#include <memory>
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
  // The tensor that this one is the difference from, of the same shape and with no base itself: the
  // numbers are the sum of both. Null: from nothing. (A value, shared since it never changes.)
  std::shared_ptr<const TensorManifest> base = nullptr;

  std::vector<Level> all_levels() const;  // its own, then those of its base
  std::uint64_t bytes() const;            // of all of them
  friend bool operator==(const TensorManifest& a, const TensorManifest& b);
};

// {"codec":"q4.1","levels":[{"blob":"sha256:...","length":N,"offset":0}],"shape":[256,256]}
// and before the codec "base":{tensor}, of a tensor that has one.
Json ToJson(const TensorManifest& tensor);
// Checks all that a manifest alone can tell: the codec exists and can hold the shape, and the
// levels' lengths are what it needs.
Result<TensorManifest> ParseTensorManifest(const JsonCursor& json);

}  // namespace ashlar
