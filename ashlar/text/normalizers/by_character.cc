// Lowercase, StripAccents, Nmt, ByteLevel: stages that look at one character at a time, without
// regard to its neighbours or to a language.
#include <utf8proc.h>

#include "ashlar/text/internal/byte_alphabet.h"
#include "ashlar/text/internal/character_class.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/normalizers/normalizer.h"

namespace ashlar::internal {
namespace {

class ByCharacter final : public Normalizer {
 public:
  explicit ByCharacter(CharacterMap map) : map_(map) {}

  Status Apply(std::string& text, std::size_t max_bytes) const override {
    std::string mapped;
    mapped.reserve(text.size());
    for (std::string_view rest = text; !rest.empty();) {
      const Utf8Char c = FirstChar(rest);
      map_(c.code, rest.substr(0, c.size), mapped);
      rest.remove_prefix(c.size);
    }
    text = std::move(mapped);
    return CheckStageSize(text.size(), max_bytes);
  }

 private:
  CharacterMap map_;
};

void MapToLower(char32_t code, std::string_view, std::string& out) {
  if (code == 0x130) {  // the one character with a longer lower case: i and a dot above
    out += "i\xCC\x87";
  } else {
    AppendUtf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code))), out);
  }
}

void MapWithoutMarks(char32_t code, std::string_view bytes, std::string& out) {
  if (!IsMark(code)) {
    out += bytes;
  }
}

// As in Google's neural machine translation: controls go, further kinds of space become spaces.
void MapNmt(char32_t code, std::string_view bytes, std::string& out) {
  const bool goes = (code >= 0x01 && code <= 0x08) || code == 0x0B ||
                    (code >= 0x0E && code <= 0x1F) || code == 0x7F || code == 0x8F || code == 0x9F;
  const bool space = code == 0x09 || code == 0x0A || code == 0x0C || code == 0x0D ||
                     code == 0x1680 || (code >= 0x200B && code <= 0x200F) || code == 0x2028 ||
                     code == 0x2029 || code == 0x2581 || code == 0xFEFF || code == 0xFFFD;
  if (!goes) {
    out += space ? " " : bytes;
  }
}

void MapToByteLetters(char32_t, std::string_view bytes, std::string& out) {
  AppendByteLetters(bytes, out);
}

NormalizerResult ParseWithoutSettings(const JsonCursor& json, CharacterMap map) {
  ASHLAR_TRY(json.AllowOnly({"type"}));
  return MakeCharacterStage(map);
}

}  // namespace

std::unique_ptr<const Normalizer> MakeCharacterStage(CharacterMap map) {
  return std::make_unique<ByCharacter>(map);
}
std::unique_ptr<const Normalizer> MakeLowercase() {
  return MakeCharacterStage(MapToLower);
}

NormalizerResult ParseLowercase(const JsonCursor& json) {
  return ParseWithoutSettings(json, MapToLower);
}
NormalizerResult ParseStripAccents(const JsonCursor& json) {
  return ParseWithoutSettings(json, MapWithoutMarks);
}
NormalizerResult ParseNmt(const JsonCursor& json) {
  return ParseWithoutSettings(json, MapNmt);
}
NormalizerResult ParseByteLevelNormalizer(const JsonCursor& json) {
  return ParseWithoutSettings(json, MapToByteLetters);
}

}  // namespace ashlar::internal
