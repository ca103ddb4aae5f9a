// AddedTokens are the tokens that are found in the text as they are written, before the model
// sees it: markers such as <|im_end|>, and words that were added to a vocabulary later.
//
// Those that are not `normalized` are found in the text as given, the others in the normalized
// text between them. Of several at one place the longest is taken. Immutable, thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ashlar/base/json_cursor.h"
#include "ashlar/text/internal/byte_tree.h"
#include "ashlar/text/internal/vocabulary.h"
#include "ashlar/text/normalizers/normalizer.h"
#include "ashlar/text/pre_tokenizers/pre_tokenizer.h"

namespace ashlar::internal {

struct AddedToken {
  std::string content;
  bool single_word = false;  // only where no character of a word touches it
  bool strip_left = false;   // takes the white space before it away
  bool strip_right = false;  // and after it
  bool normalized = false;
  bool special = false;
};

// A stretch of text: an added token, or text for the stages that follow.
struct Segment {
  static constexpr std::int32_t kText = -1;
  std::string_view text;    // empty for a token
  std::int32_t id = kText;  // or the token's
};

class AddedTokens {
 public:
  // `json` is the array in the file. kInvalid when a token contradicts `model`'s vocabulary.
  static Result<AddedTokens> Parse(const JsonCursor& json, const Vocabulary& model,
                                   const StageList<Normalizer>& normalizers);

  // Null when this id is not an added token.
  const AddedToken* Find(std::int32_t id) const;
  // The contents with their ids.
  const Vocabulary& vocabulary() const { return vocabulary_; }

  enum class Stage { kGiven, kNormalized };
  // `text` in segments, in order. With `parse_special` false, special tokens count as text.
  // The segments view `text`. Requires: well-formed.
  std::vector<Segment> Split(std::string_view text, Stage stage, bool parse_special) const;

  // Cuts `pieces` so that no special token is written out in one of them: behind the first
  // character of each that is. One of a single character is left out: nothing else says it.
  void CutSpecial(Pieces& pieces) const;

 private:
  std::unordered_map<std::int32_t, AddedToken> tokens_;
  Vocabulary vocabulary_;
  ByteTree given_;
  ByteTree normalized_;
  ByteTree special_;  // as the model knows them
};

}  // namespace ashlar::internal
