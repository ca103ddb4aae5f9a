// A Model turns pieces of text into token ids, with its own vocabulary.
// Immutable, thread-safe. A new one is a file in this folder and a line in all_models.cc.
#pragma once

#include <cstdint>
#include <vector>

#include "ashlar/text/internal/stage.h"
#include "ashlar/text/internal/vocabulary.h"
#include "ashlar/text/pre_tokenizers/pre_tokenizer.h"

namespace ashlar::internal {

class Model {
 public:
  virtual ~Model() = default;
  // Appends the ids of every piece. Time is O(n log n) in the length of the longest piece.
  virtual void Encode(const Pieces& pieces, std::vector<std::int32_t>& ids) const = 0;
  virtual const Vocabulary& vocabulary() const = 0;
};

using ModelResult = Result<std::unique_ptr<const Model>>;
ModelResult ParseModel(const JsonCursor& json);

ModelResult ParseBpe(const JsonCursor& json);
ModelResult ParseSentencePieceBpe(const JsonCursor& json);
ModelResult ParseSentencePieceUnigram(const JsonCursor& json);
ModelResult ParseSentencePieceWord(const JsonCursor& json);
ModelResult ParseUnigram(const JsonCursor& json);
ModelResult ParseWordLevel(const JsonCursor& json);
ModelResult ParseWordPiece(const JsonCursor& json);

// The member "vocab", an object of ids by token.
Result<Vocabulary> ParseVocabulary(const JsonCursor& model);
// The id of the member "unk_token".
Result<std::int32_t> ParseUnknownToken(const JsonCursor& model, const Vocabulary& vocabulary);

}  // namespace ashlar::internal
