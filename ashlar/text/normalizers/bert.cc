// BertNormalizer: what BERT does to a text before it is cut (google-research/bert,
// tokenization.py): controls go, ideographs stand alone, accents go, capitals go.
#include "ashlar/text/internal/character_class.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/normalizers/normalizer.h"

namespace ashlar::internal {
namespace {

class BertNormalizer final : public Normalizer {
 public:
  explicit BertNormalizer(StageList<Normalizer> steps) : steps_(std::move(steps)) {}

  Status Apply(std::string& text, std::size_t max_bytes) const override {
    for (const auto& step : steps_) {
      ASHLAR_TRY(step->Apply(text, max_bytes));
    }
    return {};
  }

 private:
  StageList<Normalizer> steps_;
};

void MapToCleanText(char32_t code, std::string_view bytes, std::string& out) {
  if (IsSpace(code)) {
    // U+0085 and the like are controls as well as spaces; of those, only these three are kept.
    if (!IsControl(code) || code == '\t' || code == '\n' || code == '\r') {
      out.push_back(' ');
    }
  } else if (code != 0 && code != 0xFFFD && !IsControl(code)) {
    out += bytes;
  }
}

void MapToSpacedIdeographs(char32_t code, std::string_view bytes, std::string& out) {
  const std::string_view around = IsChinese(code) ? " " : "";
  out += around;
  out += bytes;
  out += around;
}

void MapWithoutNonspacingMarks(char32_t code, std::string_view bytes, std::string& out) {
  if (!IsNonspacingMark(code)) {
    out += bytes;
  }
}

}  // namespace

NormalizerResult ParseBert(const JsonCursor& json) {
  ASHLAR_TRY(
      json.AllowOnly({"type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"}));
  ASHLAR_TRY(const bool clean_text, json.BoolOr("clean_text", true));
  ASHLAR_TRY(const bool handle_chinese_chars, json.BoolOr("handle_chinese_chars", true));
  ASHLAR_TRY(const bool lowercase, json.BoolOr("lowercase", true));
  ASHLAR_TRY(const bool strip_accents, json.BoolOr("strip_accents", lowercase));
  StageList<Normalizer> steps;
  if (clean_text) {
    steps.push_back(MakeCharacterStage(MapToCleanText));
  }
  if (handle_chinese_chars) {
    steps.push_back(MakeCharacterStage(MapToSpacedIdeographs));
  }
  if (strip_accents) {
    steps.push_back(MakeNfd());
    steps.push_back(MakeCharacterStage(MapWithoutNonspacingMarks));
  }
  if (lowercase) {
    steps.push_back(MakeLowercase());
  }
  return std::make_unique<BertNormalizer>(std::move(steps));
}

}  // namespace ashlar::internal
