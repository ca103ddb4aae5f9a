// The tokens of a vocabulary in slices: those of plain text, by how many characters they have, and
// the rest.
//
// Most tokens are plain text, and in most places of an answer (within a string, say) plain text of
// any kind may stand. Where that is known, a slice is allowed as a whole, by its mask; only where
// it is not, its tree is walked.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ashlar/grammar/internal/char_set.h"
#include "ashlar/grammar/internal/parse_states.h"

namespace ashlar::grammar {

// Characters that a string of JSON, or "." of a regular expression, takes as they are: no control
// characters, line ends, quotes or backslashes.
const CharSet& PlainText();

// Tokens by their bytes: nodes in preorder, so that a walk reads memory forwards.
class TokenTree {
 public:
  struct Node {
    std::uint32_t after;   // the node behind this one and all below it
    std::uint32_t tokens;  // those that end here begin at this place in tokens_
    std::uint16_t depth;   // bytes up to this one
    std::uint8_t byte;
  };

  // `bytes_of(id)` is not empty, and at most 64 KiB.
  template <class BytesOf>
  TokenTree(std::vector<std::int32_t> ids, BytesOf bytes_of);

  // Sets the bits of the tokens that may follow in `state`.
  void Walk(ParseStates& states, ParseStates::Id state, std::vector<ParseStates::Id>& path,
            std::span<std::uint64_t> mask) const;

  std::size_t bytes() const {
    return nodes_.capacity() * sizeof(Node) + tokens_.capacity() * sizeof(tokens_[0]);
  }

 private:
  std::vector<Node> nodes_;  // and one more, behind the last
  std::vector<std::int32_t> tokens_;
  std::size_t deepest_ = 0;
};

struct TokenSlice {
  static constexpr int kNotPlain = 1 << 30;
  int max_chars;  // all tokens are plain text of at most so many characters; kNotPlain: any
  TokenTree tree;
  std::vector<std::uint64_t> mask;
};

// The largest `max_chars` of plain slices.
inline constexpr int kLongestPlain = 32;

// How many characters of plain text, whatever they are, may follow in `state`, up to kLongestPlain.
int PlainTextAllowed(ParseStates& states, ParseStates::Id state);

template <class BytesOf>
TokenTree::TokenTree(std::vector<std::int32_t> ids, BytesOf bytes_of) : tokens_(std::move(ids)) {
  std::ranges::sort(tokens_, [&](std::int32_t a, std::int32_t b) {
    const int order = bytes_of(a).compare(bytes_of(b));
    return order != 0 ? order < 0 : a < b;
  });
  std::vector<std::uint32_t> open;  // nodes of the bytes of the token before
  std::string_view before;
  const auto close = [&](std::size_t depth) {
    for (; open.size() > depth; open.pop_back()) {
      nodes_[open.back()].after = static_cast<std::uint32_t>(nodes_.size());
    }
  };
  for (std::uint32_t i = 0; i < tokens_.size(); ++i) {
    const std::string_view bytes = bytes_of(tokens_[i]);
    std::size_t shared = 0;
    while (shared < std::min(bytes.size(), before.size()) && bytes[shared] == before[shared]) {
      ++shared;
    }
    close(shared);
    for (std::size_t depth = shared; depth < bytes.size(); ++depth) {
      open.push_back(static_cast<std::uint32_t>(nodes_.size()));
      nodes_.push_back({.after = 0,
                        .tokens = i,
                        .depth = static_cast<std::uint16_t>(depth + 1),
                        .byte = static_cast<std::uint8_t>(bytes[depth])});
    }
    deepest_ = std::max(deepest_, bytes.size());
    before = bytes;
  }
  close(0);
  nodes_.push_back(
      {.after = 0, .tokens = static_cast<std::uint32_t>(tokens_.size()), .depth = 0, .byte = 0});
}

}  // namespace ashlar::grammar
