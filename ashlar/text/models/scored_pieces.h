// What Unigram and the models of sentencepiece share: a vocabulary in which each token has a
// score, and what becomes of text that it lacks.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/json_cursor.h"
#include "ashlar/text/internal/byte_tokens.h"
#include "ashlar/text/internal/vocabulary.h"

namespace ashlar::internal {

// Of sentencepiece: how a space is written, and how far the score of an unknown character is below
// the least of all, in llama.cpp too.
inline constexpr std::string_view kWordMark = "▁";
inline constexpr float kUnknownPenalty = 10;

struct ScoredPieces {
  Vocabulary vocabulary;
  std::vector<double> scores;  // by id; kNoScore for a token that no text becomes
  std::optional<std::int32_t> unknown;
  ByteTokens byte_tokens;  // none without byte_fallback
  // No token has a "▁" behind another character, so that each word can be encoded by itself.
  bool words_apart = false;

  static constexpr double kNoScore = -std::numeric_limits<double>::infinity();

  // The members "vocab", an array of [token, score] by id, "unk_id" and "byte_fallback". With
  // `unscored`, [token] is one that no text becomes: a control token, or a byte's. kInvalid when a
  // token is longer than kMaxPieceBytes: encoding takes time in proportion to the longest.
  static Result<ScoredPieces> Parse(const JsonCursor& model, bool unscored);
  static constexpr std::size_t kMaxPieceBytes = 512;

  bool HasScore(std::int32_t id) const { return scores[static_cast<std::size_t>(id)] != kNoScore; }

  // The length of the first word of `text` (not empty), or of all of it.
  std::size_t FirstWordSize(std::string_view text) const;
};

// Takes the tokens of a text in order and appends their ids. Unknown text is the tokens of its
// bytes, or else one unknown token for a run of it, or nothing when there is none.
class PieceEmitter {
 public:
  // As the reference's Unigram does with `whole_runs`: a run that is a token's content is that
  // token, and it has its bytes' tokens only if all of it does.
  PieceEmitter(const ScoredPieces& pieces, bool whole_runs, std::vector<std::int32_t>& ids)
      : pieces_(pieces), whole_runs_(whole_runs), ids_(ids) {}

  void Token(std::int32_t id) {
    EndRun();
    ids_.push_back(id);
  }
  // `text` is one character, or a word.
  void Unknown(std::string_view text) {
    if (!whole_runs_ && pieces_.byte_tokens.Have(text)) {
      EndRun();
      pieces_.byte_tokens.Append(text, ids_);
    } else {
      run_ += text;
    }
  }
  // To be called at the end.
  void EndRun();

 private:
  const ScoredPieces& pieces_;
  bool whole_runs_;
  std::vector<std::int32_t>& ids_;
  std::string run_;
};

}  // namespace ashlar::internal
