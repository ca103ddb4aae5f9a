// WordLevel: each piece is one token.
#include "ashlar/text/models/model.h"

namespace ashlar::internal {
namespace {

class WordLevel final : public Model {
 public:
  WordLevel(Vocabulary vocabulary, std::int32_t unknown)
      : vocabulary_(std::move(vocabulary)), unknown_(unknown) {}

  const Vocabulary& vocabulary() const override { return vocabulary_; }

  void Encode(const Pieces& pieces, std::vector<std::int32_t>& ids) const override {
    for (const TextRange range : pieces.ranges) {
      ids.push_back(vocabulary_.Id(pieces.View(range)).value_or(unknown_));
    }
  }

 private:
  Vocabulary vocabulary_;
  std::int32_t unknown_;
};

}  // namespace

ModelResult ParseWordLevel(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "unk_token", "vocab"}));
  ASHLAR_TRY(Vocabulary vocabulary, ParseVocabulary(json));
  ASHLAR_TRY(const std::int32_t unknown, ParseUnknownToken(json, vocabulary));
  return std::make_unique<WordLevel>(std::move(vocabulary), unknown);
}

}  // namespace ashlar::internal
