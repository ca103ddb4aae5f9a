// A tokenizer.model file of sentencepiece becomes a tokenizer.json that encodes as it does.
#pragma once

#include <string>
#include <string_view>

#include "ashlar/base/json.h"
#include "ashlar/base/result.h"

namespace ashlar {

struct SentencePieceOptions {
  bool add_bos = false;  // the file's "<s>" in front of a text
  bool add_eos = false;  // the file's "</s>" behind it
  // Tokens besides the file's: an array of elements as a tokenizer.json has them in "added_tokens".
  Json added_tokens = Json::Array();
};

// `model` is the file (a ModelProto, sentencepiece_model.proto). The result is the text of a
// tokenizer.json (docs/formats/tokenizer.md), in canonical form; that it is a Tokenizer has been
// tried. kCorrupt for what is no such file; kInvalid for pieces that contradict each other;
// kUnsupported, naming it, for a model other than unigram and bpe, and for a rule of decoding.
Result<std::string> SentencePieceTokenizerJson(std::string_view model,
                                               const SentencePieceOptions& options = {});

}  // namespace ashlar
