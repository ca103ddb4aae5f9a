// A TokenVocabulary is what the tokens of a tokenizer write, in the order in which a grammar asks:
// as trees of bytes, so that tokens that begin alike are walked once.
//
// Made once per tokenizer and shared by all requests. Immutable, thread-safe. It takes some 40
// bytes per token: 5 MB for 128k of them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/text/tokenizer.h"

namespace ashlar {

namespace grammar {
struct TokenSlice;
}  // namespace grammar

class TokenVocabulary {
 public:
  // Of the ids below `size`, which is the number of logits of the network: it may be more or fewer
  // than the tokenizer has. Special tokens and ids without a token write nothing, but for those in
  // `written`, which write what they are called.
  TokenVocabulary(const Tokenizer& tokenizer, std::int32_t size,
                  std::span<const std::int32_t> written = {});
  // tokens[id] is what the token writes; an empty text for one that writes nothing.
  explicit TokenVocabulary(std::span<const std::string> tokens);
  ~TokenVocabulary();

  std::int32_t size() const { return static_cast<std::int32_t>(starts_.size()) - 1; }
  // Words of a mask over the vocabulary: bit (id % 64) of word (id / 64).
  std::size_t words() const { return (static_cast<std::size_t>(size()) + 63) / 64; }
  // Empty for a token that writes nothing. Requires: 0 <= id < size().
  std::string_view Bytes(std::int32_t id) const {
    return std::string_view(text_).substr(starts_[id], starts_[id + 1] - starts_[id]);
  }
  // Whether each byte is a token, so that any text can be written. Without that, a grammar can lead
  // to a place that no token leads away from (Constraint::Allowed then says so).
  bool writes_any_text() const { return writes_any_text_; }
  // What it takes of memory.
  std::size_t bytes() const;
  // Internal: the tokens that write something, in parts (grammar/internal/token_slices.h).
  std::span<const grammar::TokenSlice> slices() const;

 private:
  void Slice();

  std::string text_;                   // of all tokens, one after another
  std::vector<std::uint32_t> starts_;  // [size + 1]
  bool writes_any_text_ = false;
  std::vector<grammar::TokenSlice> slices_;
};

}  // namespace ashlar
