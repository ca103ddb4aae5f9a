#include "ashlar/text/internal/stage.h"

namespace ashlar::internal {

Result<std::string> ParseLiteral(const JsonCursor& json, std::string_view key) {
  ASHLAR_TRY(std::string text, json.String(key));
  if (text.size() > kMaxLiteralBytes) {
    return json.Invalid("\"{}\" has {} bytes, more than {}", key, text.size(), kMaxLiteralBytes);
  }
  return text;
}

}  // namespace ashlar::internal
