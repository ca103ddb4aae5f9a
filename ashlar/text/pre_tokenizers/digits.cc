// Digits: numbers apart from the rest, together or each digit by itself. A digit is any character
// of a Number category.
#include "ashlar/text/pre_tokenizers/pre_tokenizer.h"

namespace ashlar::internal {
namespace {

class Digits final : public PreTokenizer {
 public:
  Digits(Pattern digit, bool individual) : digit_(std::move(digit)), individual_(individual) {}

  Status Apply(Pieces& pieces) const override {
    return SplitPieces(digit_, individual_ ? SplitBehavior::kIsolated : SplitBehavior::kContiguous,
                       /*invert=*/false, pieces);
  }

 private:
  Pattern digit_;
  bool individual_;
};

}  // namespace

PreTokenizerResult ParseDigits(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "individual_digits"}));
  ASHLAR_TRY(const bool individual, json.BoolOr("individual_digits", false));
  ASHLAR_TRY(Pattern digit, Pattern::Regex(R"(\p{N})"));
  return std::make_unique<Digits>(std::move(digit), individual);
}

}  // namespace ashlar::internal
