// A Recipe is a network before it has weights: each block's kind and attributes, and where in the
// checkpoint each of its tensors is. It is what config.json and an Architecture give.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ashlar/base/json_cursor.h"
#include "ashlar/formats/architecture.h"
#include "ashlar/graph/network.h"

namespace ashlar {

// Where the numbers of a block's tensor come from.
struct TensorSource {
  std::vector<std::string> tensors;  // of the checkpoint; their rows follow each other
  const Joined* joined = nullptr;    // the block's is a part of the checkpoint's
  bool transposed = false;           // the checkpoint's are [inputs, outputs]
  std::int64_t stack = 0;            // the checkpoint's holds so many; 0: it is no stack
  std::int64_t index = 0;            // of those, the block's
  bool flat = false;                 // the stack is written as one matrix
  VectorDims dims = {};              // of the checkpoint's, when the block's is a vector
  std::vector<float> numbers = {};   // config.json has them itself; then no `tensors`
};

struct BlockRecipe {
  std::string kind;
  std::map<std::string, AttributeValue, std::less<>> attributes;
  // Of the family's row: they may name more than the attributes call for.
  std::span<const TensorName> tensors;
  std::span<const TensorName> tied = {};  // go before `tensors`: those of another block
  // Tensors whose numbers are in config.json.
  std::map<std::string, std::vector<float>, std::less<>> numbers = {};
  std::optional<int> layer;
  int reads = 1;  // the node so many before it; a block with a layer also carries the node before
};

// Matrices in FP8 have a scale for each block of so many outputs and inputs.
struct Fp8Blocks {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

struct Recipe {
  std::vector<BlockRecipe> blocks;  // in order
  Metadata metadata;
  std::int64_t vocabulary = 0;
  // When the head's weight is the embedding's: a tensor that the checkpoint may have all the same,
  // and the one whose bytes it must repeat then. Else empty.
  std::string tied_copy, tied_to;
  // What a checkpoint may leave out at the beginning of all its names, and ends of names that no
  // weight has.
  std::string_view base_prefix;
  std::span<const std::string_view> ignored_tensors;
  std::vector<std::string> ignored_prefixes;  // beginnings of names of tensors that none computes
  // The checkpoint is of a network that sees as well, of which this is the part that reads text:
  // architectures/seeing_network.h. Beginnings of names of the rest; else none.
  std::span<const std::string_view> unread_prefixes = {};
  // How matrices may stand in the checkpoint that are in no plain numbers.
  bool mxfp4 = false;                 // internal/mxfp4_source.h
  std::optional<Fp8Blocks> fp8 = {};  // internal/fp8_source.h
};

// Reads config.json. Every field is either honoured, or known to change no result, or an error:
// kUnsupported names a field that might change the result and that ashlar does not know.
Result<Recipe> ReadRecipe(const JsonCursor& config);

// Where `tensor` of the block is. Requires: the family's row names it, or config.json has it.
TensorSource SourceOf(const BlockRecipe& block, std::string_view tensor);

// The node of block `index` of a recipe, without its block: what it reads and carries.
Node NodeOf(const Recipe& recipe, int index);

// The ids under `key`: one, a list of them, or null (and -1) for none.
Result<std::vector<std::int64_t>> ReadTokenIds(const JsonCursor& config, std::string_view key);

}  // namespace ashlar
