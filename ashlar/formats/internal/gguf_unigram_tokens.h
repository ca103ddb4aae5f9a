// A tokenizer of sentencepiece's Unigram as GGUF's "t5": tokens with scores, of which those with
// the greatest sum are a text's.
#pragma once

#include "ashlar/formats/gguf.h"
#include "ashlar/formats/internal/gguf_tokenizer_parts.h"

namespace ashlar::internal {

struct GgufUnigramTokens {
  std::vector<float> scores;  // by id
  std::int32_t unknown = 0;
  std::vector<std::uint8_t> charsmap;  // empty: none
  bool space_prefix = false;           // whether a text is given a space in front
  bool joins_spaces = false;           // whether of white space in a row one is left
  std::vector<std::string> remarks;    // where llama.cpp will do something else
};

// Sets the types of the unknown token and of those that come of no text. kUnsupported names what
// llama.cpp would do otherwise.
Result<GgufUnigramTokens> ReadUnigramTokens(const JsonCursor& root, GgufTokens& tokens);

}  // namespace ashlar::internal
