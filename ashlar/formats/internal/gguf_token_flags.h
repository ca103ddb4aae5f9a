// How texts are searched for added tokens, as far as GGUF has no word for it: whether white space
// around one goes, whether it may stand within a word, and whether the text is normalized before.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/json_cursor.h"
#include "ashlar/formats/internal/gguf_tokenizer_parts.h"

namespace ashlar::internal {

struct GgufFileName {
  std::string name;                  // "general.name"; empty: the file should have none
  std::vector<std::string> remarks;  // why it is another, and what llama.cpp does otherwise
};

// Of `wanted` and one that is nearly so, the name by which llama.cpp takes away what a
// tokenizer.json says behind most of its tokens. Requires: a Tokenizer has read it.
Result<GgufFileName> NameOfTokenFlags(const JsonCursor& root, const GgufTokens& tokens,
                                      std::string_view wanted);

}  // namespace ashlar::internal
