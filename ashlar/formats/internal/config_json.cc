#include "ashlar/formats/internal/config_json.h"

#include <cctype>

namespace ashlar::internal {

std::string SpellInfinities(std::string_view text) {
  constexpr std::string_view kWord = "Infinity";
  const auto in_word = [&](std::size_t at) {
    return at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) != 0 ||
                                text[at] == '_' || text[at] == '-');
  };
  std::string spelled;
  spelled.reserve(text.size());
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!quoted && text.substr(at).starts_with(kWord) && (at == 0 || !in_word(at - 1)) &&
        !in_word(at + kWord.size())) {
      spelled += R"({"__float__": "Infinity"})";
      at += kWord.size() - 1;
      continue;
    }
    if (quoted && text[at] == '\\' && at + 1 < text.size()) {
      spelled += text[at++];
    } else if (text[at] == '"') {
      quoted = !quoted;
    }
    spelled += text[at];
  }
  return spelled;
}

}  // namespace ashlar::internal
