// SentencePieceWord: sentencepiece's model of words, of tokenizer.model files. Each word, with the
// "▁" in front of it, is one token or an unknown one.
#include "ashlar/text/models/model.h"
#include "ashlar/text/models/scored_pieces.h"

namespace ashlar::internal {
namespace {

class SentencePieceWord final : public Model {
 public:
  explicit SentencePieceWord(ScoredPieces pieces) : pieces_(std::move(pieces)) {}

  const Vocabulary& vocabulary() const override { return pieces_.vocabulary; }

  void Encode(const Pieces& pieces, std::vector<std::int32_t>& ids) const override {
    for (const TextRange range : pieces.ranges) {
      PieceEmitter emitter(pieces_, /*whole_runs=*/false, ids);
      for (std::string_view rest = pieces.View(range); !rest.empty();) {
        const std::string_view word = rest.substr(0, rest.find(kWordMark, 1));
        rest.remove_prefix(word.size());
        if (const auto id = pieces_.vocabulary.Id(word)) {
          emitter.Token(*id);
        } else {
          emitter.Unknown(word);
        }
      }
      emitter.EndRun();
    }
  }

 private:
  ScoredPieces pieces_;
};

}  // namespace

ModelResult ParseSentencePieceWord(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "unk_id", "vocab", "byte_fallback"}));
  ASHLAR_TRY(ScoredPieces pieces, ScoredPieces::Parse(json, /*unscored=*/true));
  return std::make_unique<SentencePieceWord>(std::move(pieces));
}

}  // namespace ashlar::internal
