#include "ashlar/text/internal/stage.h"

#include "ashlar/text/internal/utf8.h"

namespace ashlar::internal {

Status CheckStageSize(std::size_t bytes, std::size_t max_bytes) {
  if (bytes > max_bytes) {
    return Exhausted("a stage of the tokenizer makes {} bytes of text, more than {}", bytes,
                     max_bytes);
  }
  return {};
}

Result<std::string> ParseLiteral(const JsonCursor& json, std::string_view key) {
  ASHLAR_TRY(std::string text, json.String(key));
  if (text.size() > kMaxLiteralBytes) {
    return json.Invalid("\"{}\" has {} bytes, more than {}", key, text.size(), kMaxLiteralBytes);
  }
  return text;
}

Result<std::string> ParseCharacter(const JsonCursor& json, std::string_view key) {
  ASHLAR_TRY(std::string text, json.String(key));
  if (text.empty() || FirstChar(text).size != text.size()) {
    return json.Invalid("\"{}\" is one character, not {}", key, QuoteForError(text));
  }
  return text;
}

}  // namespace ashlar::internal
