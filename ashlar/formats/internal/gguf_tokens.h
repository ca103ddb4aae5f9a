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

}  // namespace ashlar::internal
