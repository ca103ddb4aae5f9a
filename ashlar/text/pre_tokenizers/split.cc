// Split: cuts at the matches of a pattern.
#include "ashlar/text/pre_tokenizers/pre_tokenizer.h"

namespace ashlar::internal {
namespace {

class Split final : public PreTokenizer {
 public:
  Split(Pattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  Status Apply(Pieces& pieces) const override {
    return SplitPieces(pattern_, behavior_, invert_, pieces);
  }

 private:
  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

}  // namespace

PreTokenizerResult ParseSplit(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "pattern", "behavior", "invert"}));
  ASHLAR_TRY(const JsonCursor pattern_json, json.At("pattern"));
  ASHLAR_TRY(Pattern pattern, Pattern::Parse(pattern_json));
  ASHLAR_TRY(const SplitBehavior behavior, ParseSplitBehavior(json));
  ASHLAR_TRY(const bool invert, json.BoolOr("invert", false));
  return std::make_unique<Split>(std::move(pattern), behavior, invert);
}

}  // namespace ashlar::internal
