// For fuzzers: what must hold of any tokenizer and any text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/check.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar::internal {

// The file is refused with a short error, or it is a tokenizer that encodes the text and whose
// streams decode to what the whole decodes to.
inline void CheckTokenizer(std::string_view tokenizer_json, std::string_view text) {
  const Result<Tokenizer> tokenizer = Tokenizer::FromJson(tokenizer_json);
  if (!tokenizer.ok()) {
    CHECK_LT(tokenizer.error().message.size(), 2000u);
    return;
  }
  for (const bool special : {false, true}) {
    const EncodeOptions options{.add_special_tokens = special, .parse_special_tokens = special};
    const Result<std::vector<std::int32_t>> ids = tokenizer->Encode(text, options);
    if (!ids.ok()) {
      CHECK(ids.error().code == ErrorCode::kExhausted);
      continue;
    }
    for (const std::int32_t id : *ids) {
      CHECK(id >= 0 && id < tokenizer->vocabulary_size());
      CHECK(tokenizer->TokenId(tokenizer->TokenContent(id)) == id);
      (void)tokenizer->TokenBytes(id);
    }
    StreamDecoder decoder(*tokenizer, {.skip_special_tokens = special});
    std::string decoded;
    for (const std::int32_t id : *ids) {
      const std::string part = decoder.Push(id);
      CHECK(IsUtf8(part));
      decoded += part;
    }
    decoded += decoder.Finish();
    CHECK(decoded == tokenizer->Decode(*ids, {.skip_special_tokens = special}));
  }
}

}  // namespace ashlar::internal
