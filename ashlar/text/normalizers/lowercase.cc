// Lowercase: each character by itself, without regard to its neighbours or to a language.
#include <utf8proc.h>

#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/normalizers/normalizer.h"

namespace ashlar::internal {
namespace {

class Lowercase final : public Normalizer {
 public:
  Status Apply(std::string& text, std::size_t max_bytes) const override {
    std::string lower;
    lower.reserve(text.size());
    for (std::string_view rest = text; !rest.empty();) {
      const Utf8Char c = FirstChar(rest);
      rest.remove_prefix(c.size);
      if (c.code == 0x130) {  // the one character with a longer lower case: i and a dot above
        lower += "i\xCC\x87";
      } else {
        AppendUtf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c.code))),
                   lower);
      }
    }
    text = std::move(lower);
    return CheckStageSize(text.size(), max_bytes);
  }
};

}  // namespace

NormalizerResult ParseLowercase(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type"}));
  return std::make_unique<Lowercase>();
}

}  // namespace ashlar::internal
