// A tokenizer.model file of sentencepiece becomes a tokenizer.json that encodes as it does.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ashlar/base/json.h"
#include "ashlar/base/result.h"

namespace ashlar {

struct SentencePieceOptions {
  std::string before;  // the token in front of a text, such as "<s>"; empty for none
  std::string after;   // the one behind it
  // Tokens besides the file's: an array of elements as a tokenizer.json has them in "added_tokens".
  Json added_tokens = Json::Array();
  std::optional<bool> add_dummy_prefix;  // instead of what the file says
};

// `model` is the file (a ModelProto, sentencepiece_model.proto). The result is the text of a
// tokenizer.json (docs/formats/tokenizer.md), in canonical form; that it is a Tokenizer has been
// tried. kCorrupt for what is no such file; kInvalid for pieces that contradict each other;
// kUnsupported, naming it, for a model other than unigram and bpe, and for a rule of decoding.
Result<std::string> SentencePieceTokenizerJson(std::string_view model,
                                               const SentencePieceOptions& options = {});

}  // namespace ashlar
