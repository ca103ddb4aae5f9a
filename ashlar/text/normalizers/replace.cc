// Replace: every match of a pattern becomes a fixed text (no references to groups).
#include "ashlar/text/internal/pattern.h"
#include "ashlar/text/normalizers/normalizer.h"

namespace ashlar::internal {
namespace {

class ReplaceNormalizer final : public Normalizer {
 public:
  ReplaceNormalizer(Pattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  Status Apply(std::string& text, std::size_t max_bytes) const override {
    std::vector<TextRange> matches;
    ASHLAR_TRY(PatternSearch(pattern_, text.size()).FindAll(text, matches));
    if (matches.empty()) {
      return {};
    }
    ASHLAR_TRY(CheckStageSize(matches.size() * content_.size(), max_bytes));
    std::string replaced;
    replaced.reserve(text.size());
    std::size_t at = 0;
    for (const TextRange match : matches) {
      replaced.append(text, at, match.begin - at);
      replaced += content_;
      at = match.end;
    }
    replaced.append(text, at);
    text = std::move(replaced);
    return CheckStageSize(text.size(), max_bytes);
  }

 private:
  Pattern pattern_;
  std::string content_;
};

}  // namespace

NormalizerResult ParseReplaceNormalizer(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "pattern", "content"}));
  ASHLAR_TRY(const JsonCursor pattern_json, json.At("pattern"));
  ASHLAR_TRY(Pattern pattern, Pattern::Parse(pattern_json));
  ASHLAR_TRY(std::string content, ParseLiteral(json, "content"));
  return std::make_unique<ReplaceNormalizer>(std::move(pattern), std::move(content));
}

}  // namespace ashlar::internal
