// A GgufForm is a network as a GGUF file of some architecture has it: metadata and tensors. It is
// found by writing what each architecture would have, reading that as an import does, and comparing
// it with the network.
#pragma once

#include <string>
#include <vector>

#include "ashlar/formats/gguf.h"
#include "ashlar/formats/internal/decoder_facts.h"
#include "ashlar/formats/internal/gguf_families.h"
#include "ashlar/formats/internal/recipe_match.h"

namespace ashlar::internal {

// A block's tensor, or a vector of the metadata's numbers, in a tensor of the file.
struct GgufPart {
  int node = 0;
  std::string tensor;  // of the block
  const TensorManifest* stored = nullptr;
  Shape shape;                 // after the node's slice: the first rows and columns
  std::int64_t first_row = 0;  // of the file's (of a vector: its first number)
  std::int64_t first = 0;      // of the block's rows, and how many
  std::int64_t rows = 0;
  RowOrder order = {};
  Conversion convert = {};  // what numbers of the file mean
  double shift = 0;         // added to every number

  bool as_stored() const { return convert.number == nullptr && shift == 0; }
};

struct GgufFileTensor {
  std::string name;
  std::vector<std::int64_t> shape;  // outermost first
  TensorRole role = TensorRole::kMatrix;
  std::vector<GgufPart> parts;      // by their first rows
  std::vector<float> numbers = {};  // instead of parts
};

struct GgufForm {
  const GgufFamily* family;
  GgufMetadata metadata;  // hyper-parameters, under the architecture's keys
  std::vector<GgufFileTensor> tensors;
  std::vector<std::string> remarks;  // what llama.cpp does otherwise
};

// The first architecture that has the network; before all others those of the family `usual`.
// kUnsupported says what stands in the way of the nearest. Requires: facts of `network`.
Result<GgufForm> FindGgufForm(const DecoderFacts& facts, const Network& network,
                              std::string_view usual);

}  // namespace ashlar::internal
