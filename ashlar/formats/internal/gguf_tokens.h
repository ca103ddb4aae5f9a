// The tokenizer in a GGUF file's metadata.
#pragma once

#include <optional>

#include "ashlar/formats/gguf_read.h"
#include "ashlar/text/gguf_vocabulary.h"

namespace ashlar::internal {

// Nothing when the file has no tokenizer. kInvalid names a key of another type, and a count of
// tokens beyond `ids`, those that the network reads.
Result<std::optional<GgufVocabulary>> ReadGgufVocabulary(const GgufFields& fields,
                                                         std::int64_t ids);

inline constexpr std::string_view kGeneralName = "general.name";

// The file that is kept beside a network that came from a GGUF file: one with its tokenizer's
// metadata and its name alone, as they stood.
inline constexpr std::string_view kTokenizerGguf = "tokenizer.gguf";
// Its bytes.
std::string TokenizerGguf(const GgufFields& fields);
// The metadata in it, if they mean what `tokenizer_json` says (null: if there is no such file);
// nothing when they do not. kCorrupt when it is no such file.
Result<std::optional<GgufMetadata>> ReadTokenizerGguf(std::string_view bytes,
                                                      const std::string* tokenizer_json,
                                                      std::int64_t ids);

}  // namespace ashlar::internal
