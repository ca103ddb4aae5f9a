// A tokenizer.json with types of stages that are ashlar's own (docs/formats/tokenizer.md) as one
// that every reader of such files has.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ashlar/base/result.h"

namespace ashlar {

// The same tokens of every text, by public stages: sentencepiece's BPE as a list of merges, and its
// normalizer as two. Nothing when there is no stage of ashlar's own, or when no public one does
// what it does. Requires: a Tokenizer has read it. That one reads the result is not tried.
Result<std::optional<std::string>> PublicTokenizerJson(std::string_view tokenizer_json);

}  // namespace ashlar
