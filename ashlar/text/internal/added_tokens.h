// AddedTokens are the tokens that are found in the text as they are written, before the model
// sees it: markers such as <|im_end|>, and words that were added to a vocabulary later.
//
// Those that are not `normalized` are found in the text as given, the others in the normalized
// text between them. Of several at one place the longest is taken. Immutable, thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ashlar/base/json_cursor.h"
#include "ashlar/text/internal/pair_table.h"
#include "ashlar/text/internal/vocabulary.h"
#include "ashlar/text/normalizers/normalizer.h"

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

 private:
  // A tree of the bytes of patterns.
  class Tree {
   public:
    Tree() { roots_.fill(kNone); }
    // False when the pattern is empty, too long or there already.
    bool Add(std::string_view pattern, std::int32_t id);
    struct Match {
      std::size_t size = 0;  // 0: none
      std::int32_t id = 0;
    };
    Match LongestAtFront(std::string_view text) const;
    bool empty() const { return ids_.empty(); }

   private:
    static constexpr std::int32_t kNone = -1;
    std::array<std::int32_t, 256> roots_;  // node by first byte, or kNone
    PairTable<std::int32_t> children_;     // (node, byte) -> node
    std::vector<std::int32_t> ids_;        // by node; kNone: no pattern ends there
  };

  std::unordered_map<std::int32_t, AddedToken> tokens_;
  Vocabulary vocabulary_;
  Tree given_;
  Tree normalized_;
};

}  // namespace ashlar::internal
