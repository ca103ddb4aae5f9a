// The tokenizer of a Hugging Face directory.
#pragma once

#include <optional>
#include <string>

#include "ashlar/base/file.h"

namespace ashlar::internal {

struct FoundTokenizer {
  Path path;         // of the file that it was read from
  std::string json;  // the text of a tokenizer.json
};

// Its tokenizer.json, with the tokens that only tokenizer_config.json has (added_tokens_decoder).
// Else it stands as it is: add_bos_token and add_eos_token are without effect beside it, as in
// transformers 5, where they are dropped and its post-processor counts, whatever the class. Where
// there is no tokenizer.json, one that says what tokenizer.model
// does, with the tokens and settings of tokenizer_config.json (or added_tokens.json). Nothing
// when it has neither. kUnsupported, naming it, for a class of tokenizers that reads such a file
// in a way of its own, and for a setting that would change the ids and is not honoured.
Result<std::optional<FoundTokenizer>> ReadTokenizer(const Path& directory);

}  // namespace ashlar::internal
