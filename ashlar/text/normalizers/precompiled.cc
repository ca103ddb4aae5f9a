// Precompiled: sentencepiece's charsmap, applied as the reference applies it, which is not as
// sentencepiece does: a grapheme of up to 5 bytes becomes what the map has for the shortest front
// of it, whole; otherwise each of its characters does.
#include <utf8proc.h>

#include "ashlar/text/base64.h"
#include "ashlar/text/internal/charsmap.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/normalizers/normalizer.h"

namespace ashlar::internal {
namespace {

constexpr std::size_t kMaxMappedGrapheme = 5;

// The bytes of the first grapheme of `text` (not empty).
std::size_t FirstGraphemeSize(std::string_view text) {
  utf8proc_int32_t state = 0;
  Utf8Char last = FirstChar(text);
  std::size_t size = last.size;
  while (size < text.size()) {
    const Utf8Char c = FirstChar(text.substr(size));
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(last.code),
                                         static_cast<utf8proc_int32_t>(c.code), &state)) {
      break;
    }
    size += c.size;
    last = c;
  }
  return size;
}

class Precompiled final : public Normalizer {
 public:
  explicit Precompiled(Charsmap map) : map_(std::move(map)) {}

  Status Apply(std::string& text, std::size_t max_bytes) const override {
    std::string mapped;
    mapped.reserve(text.size());
    for (std::string_view rest = text; !rest.empty();) {
      std::string_view grapheme = rest.substr(0, FirstGraphemeSize(rest));
      rest.remove_prefix(grapheme.size());
      if (grapheme.size() > kMaxMappedGrapheme || !AppendMapped(grapheme, mapped)) {
        while (!grapheme.empty()) {
          const std::string_view c = grapheme.substr(0, FirstChar(grapheme).size);
          if (!AppendMapped(c, mapped)) {
            mapped += c;
          }
          grapheme.remove_prefix(c.size());
        }
      }
      ASHLAR_TRY(CheckStageSize(mapped.size(), max_bytes));
    }
    text = std::move(mapped);
    return {};
  }

 private:
  bool AppendMapped(std::string_view part, std::string& out) const {
    const Charsmap::Match match = map_.Shortest(part);
    out += match.replacement;
    return match.size > 0;
  }

  Charsmap map_;
};

}  // namespace

NormalizerResult ParsePrecompiled(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "precompiled_charsmap"}));
  ASHLAR_TRY(Charsmap map, ParseCharsmap(json));
  return std::make_unique<Precompiled>(std::move(map));
}

}  // namespace ashlar::internal
