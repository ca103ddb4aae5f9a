// A Vocabulary is a one-to-one map between tokens' contents and their ids.
//
// Memory is proportional to the tokens it holds, whatever their ids are: 32 bytes each (at most 48,
// where room was made for them) beside the contents themselves, which lie one after the other. (Two
// std::unordered_map took 110.) Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "ashlar/base/result.h"

namespace ashlar::internal {

class Vocabulary {
 public:
  Vocabulary() = default;
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  // Makes room for so many.
  void Reserve(std::size_t tokens);

  // kInvalid when the content or the id is there already, the id is not in
  // [0, Tokenizer::kMaxTokenId] or the content is over kMaxLiteralBytes long.
  Status Add(std::string_view content, std::int64_t id);

  std::optional<std::int32_t> Id(std::string_view content) const;
  // Nothing when no token has this id. Valid until the next Add, and while the vocabulary lives; it
  // may be moved.
  std::optional<std::string_view> Content(std::int32_t id) const;

  // `visit(content, id)` for every token, as they were added. Contents are as valid as Content's.
  template <class Visit>
  void ForEach(Visit visit) const {
    for (const Token& token : tokens_) {
      visit(ContentOf(token), token.id);
    }
  }

  // The largest id + 1.
  std::int32_t size() const { return size_; }

 private:
  struct Token {
    std::size_t begin;  // in contents_
    std::uint32_t bytes;
    std::int32_t id;
  };

  // Tokens by a hash of what they are found by: their indices with linear probing, in a table that
  // is at most half full.
  class Table {
   public:
    // `hash_of(index)` of those that are there.
    template <class Hash>
    void Reserve(std::size_t tokens, const Hash& hash_of);
    template <class Hash>
    void Add(std::size_t index, const Hash& hash_of);
    // The index among those of `hash` that `is` true of; kNone.
    template <class Is>
    std::size_t Find(std::uint64_t hash, const Is& is) const;

   private:
    static constexpr std::uint32_t kEmpty = ~std::uint32_t{0};
    std::size_t Next(std::size_t place) const { return (place + 1) & (places_.size() - 1); }

    std::vector<std::uint32_t> places_;  // a power of two of them, or none
    std::size_t size_ = 0;
  };

  static constexpr std::size_t kNone = ~std::size_t{0};
  static std::uint64_t HashOf(std::string_view content);
  static std::uint64_t HashOf(std::int32_t id);
  std::string_view ContentOf(const Token& token) const {
    return {contents_.data() + token.begin, token.bytes};
  }
  std::size_t IndexOf(std::string_view content) const;
  std::size_t IndexOf(std::int32_t id) const;

  std::vector<char> contents_;  // (Not a string: a short one moves.)
  std::vector<Token> tokens_;
  Table by_content_;
  Table by_id_;
  std::int32_t size_ = 0;
};

}  // namespace ashlar::internal
