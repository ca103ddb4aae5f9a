// Split: cuts at the matches of a pattern.
#include <array>

#include "ashlar/text/pre_tokenizers/pre_tokenizer.h"

namespace ashlar::internal {
namespace {

struct BehaviorName {
  std::string_view name;
  SplitBehavior behavior;
};

constexpr std::array<BehaviorName, 5> kBehaviors = {{
    {"Removed", SplitBehavior::kRemoved},
    {"Isolated", SplitBehavior::kIsolated},
    {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
    {"MergedWithNext", SplitBehavior::kMergedWithNext},
    {"Contiguous", SplitBehavior::kContiguous},
}};

Result<SplitBehavior> ParseBehavior(const JsonCursor& json) {
  ASHLAR_TRY(const std::string name, json.String("behavior"));
  for (const BehaviorName& behavior : kBehaviors) {
    if (behavior.name == name) {
      return behavior.behavior;
    }
  }
  return Unsupported("{}.behavior: {} is not supported", json.path(), QuoteForError(name));
}

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
  ASHLAR_TRY(const SplitBehavior behavior, ParseBehavior(json));
  ASHLAR_TRY(const bool invert, json.BoolOr("invert", false));
  return std::make_unique<Split>(std::move(pattern), behavior, invert);
}

}  // namespace ashlar::internal
