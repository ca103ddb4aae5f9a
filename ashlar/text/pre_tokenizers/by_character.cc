// BertPreTokenizer, CharDelimiterSplit, Punctuation, WhitespaceSplit: splits at characters of a
// kind, each by itself.
#include <vector>

#include "ashlar/text/internal/character_class.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/pre_tokenizers/pre_tokenizer.h"

namespace ashlar::internal {
namespace {

struct CharacterSplit {
  bool (*matches)(char32_t code);
  SplitBehavior behavior;
};

class CharacterSplits final : public PreTokenizer {
 public:
  explicit CharacterSplits(std::vector<CharacterSplit> splits) : splits_(std::move(splits)) {}

  Status Apply(Pieces& pieces) const override {
    for (const CharacterSplit& split : splits_) {
      SplitPieces(split.matches, split.behavior, pieces);
    }
    return {};
  }

 private:
  std::vector<CharacterSplit> splits_;
};

// One character that the file names.
class DelimiterSplit final : public PreTokenizer {
 public:
  explicit DelimiterSplit(Pattern delimiter) : delimiter_(std::move(delimiter)) {}

  Status Apply(Pieces& pieces) const override {
    return SplitPieces(delimiter_, SplitBehavior::kRemoved, /*invert=*/false, pieces);
  }

 private:
  Pattern delimiter_;
};

PreTokenizerResult MakeSplits(std::vector<CharacterSplit> splits) {
  return std::make_unique<CharacterSplits>(std::move(splits));
}

}  // namespace

PreTokenizerResult ParseBertPreTokenizer(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type"}));
  return MakeSplits(
      {{IsSpace, SplitBehavior::kRemoved}, {IsPunctuation, SplitBehavior::kIsolated}});
}

PreTokenizerResult ParsePunctuation(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "behavior"}));
  SplitBehavior behavior = SplitBehavior::kIsolated;
  ASHLAR_TRY(const std::optional<JsonCursor> given, json.Find("behavior"));
  if (given.has_value()) {
    ASHLAR_TRY(behavior, ParseSplitBehavior(json));
  }
  return MakeSplits({{IsPunctuation, behavior}});
}

PreTokenizerResult ParseWhitespaceSplit(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type"}));
  return MakeSplits({{IsSpace, SplitBehavior::kRemoved}});
}

PreTokenizerResult ParseCharDelimiterSplit(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "delimiter"}));
  ASHLAR_TRY(const std::string delimiter, ParseCharacter(json, "delimiter"));
  const Json pattern = Json::Of({{"String", delimiter}});
  ASHLAR_TRY(Pattern literal, Pattern::Parse(JsonCursor(pattern)));
  return std::make_unique<DelimiterSplit>(std::move(literal));
}

}  // namespace ashlar::internal
