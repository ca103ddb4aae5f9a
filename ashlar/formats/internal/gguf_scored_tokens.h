// A tokenizer of sentencepiece's byte-pair encoding as GGUF has it: tokens with scores.
#pragma once

#include <string_view>

#include "ashlar/formats/gguf.h"
#include "ashlar/formats/internal/gguf_tokenizer_parts.h"

namespace ashlar::internal {

// Its "tokenizer.ggml.model".
inline constexpr std::string_view kScoredTokensModel = "llama";

struct GgufScoredTokens {
  std::vector<float> scores;  // by id
  bool space_prefix = false;  // whether a text is given a space in front
  std::optional<std::int32_t> unknown;
  std::vector<std::string> remarks;  // where llama.cpp will do something else
};

// Sets the types of bytes, of the unknown token and of those that texts are searched for.
// kUnsupported names what llama.cpp would do otherwise.
Result<GgufScoredTokens> ReadScoredTokens(const JsonCursor& root, GgufTokens& tokens);

}  // namespace ashlar::internal
