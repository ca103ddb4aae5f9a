// A tokenizer.json as GGUF's metadata: tokens, and either merges with the name under which
// llama.cpp knows how to cut text into pieces, or scores.
#pragma once

#include <string>
#include <vector>

#include "ashlar/formats/gguf.h"
#include "ashlar/graph/network.h"

namespace ashlar::internal {

struct GgufTokenizer {
  GgufMetadata metadata;  // with the file's name, by which llama.cpp knows some tokenizers
  std::vector<std::string> remarks;  // where llama.cpp will do a little less than the file says
};

// Byte-level BPE, and sentencepiece's BPE and Unigram, have a place in GGUF that means the same.
// kUnsupported names what of the file llama.cpp would not do alike. `ids` is what the network
// reads: ids without a token are padded. `name` is what the file is to be called, if it may be.
Result<GgufTokenizer> ReadGgufTokenizer(std::string_view tokenizer_json, const Metadata& network,
                                        std::int64_t ids, std::string_view name);

// For a network without a tokenizer, which is then run by ids.
GgufMetadata NoGgufTokenizer(const Metadata& network);

}  // namespace ashlar::internal
