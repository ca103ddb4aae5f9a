// A Recipe is a network before it has weights: each block's kind and attributes, and the name in
// the checkpoint of each of its tensors. It is what config.json and an Architecture give.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ashlar/base/json_cursor.h"
#include "ashlar/formats/architecture.h"
#include "ashlar/graph/network.h"

namespace ashlar {

struct BlockRecipe {
  std::string kind;
  std::map<std::string, AttributeValue, std::less<>> attributes;
  // Tensor of the block -> tensor of the checkpoint. May name more than the attributes call for.
  std::map<std::string, std::string, std::less<>> sources;
  std::optional<int> layer;
};

struct Recipe {
  // In order; each node reads the one before it, and those with a layer also carry it.
  std::vector<BlockRecipe> blocks;
  Metadata metadata;
  std::int64_t vocabulary = 0;
  // When the head's weight is the embedding's: a tensor that the checkpoint may have all the same,
  // and the one whose bytes it must repeat then. Else empty.
  std::string tied_copy, tied_to;
};

// Reads config.json. Every field is either honoured, or known to change no result, or an error:
// kUnsupported names a field that might change the result and that ashlar does not know.
Result<Recipe> ReadRecipe(const JsonCursor& config);

// The ids under `key`: one, a list of them, or null (and -1) for none.
Result<std::vector<std::int64_t>> ReadTokenIds(const JsonCursor& config, std::string_view key);

}  // namespace ashlar
