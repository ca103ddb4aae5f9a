#include "ashlar/grammar/token_vocabulary.h"

#include <algorithm>
#include <bitset>

#include "ashlar/grammar/internal/token_slices.h"

namespace ashlar {

using grammar::TokenSlice;

namespace {

// How many characters of plain text `bytes` is; TokenSlice::kNotPlain when it is something else.
int PlainChars(std::string_view bytes) {
  int chars = 0;
  for (std::size_t at = 0; at < bytes.size(); ++chars) {
    const std::optional<char32_t> code = grammar::NextChar(bytes, at);
    if (!code || !grammar::PlainText().Contains(*code)) {
      return TokenSlice::kNotPlain;
    }
  }
  return chars;
}

}  // namespace

TokenVocabulary::TokenVocabulary(const Tokenizer& tokenizer, std::int32_t size,
                                 std::span<const std::int32_t> written)
    : starts_(1) {
  for (std::int32_t id = 0; id < size; ++id) {
    const bool writes =
        id < tokenizer.vocabulary_size() &&
        (!tokenizer.IsSpecial(id) || std::ranges::find(written, id) != written.end());
    if (writes) {
      // (Slice leaves longer ones out; together they would pass what starts_ can say.)
      if (const std::string bytes = tokenizer.TokenBytes(id); bytes.size() <= 0xFFFF) {
        text_ += bytes;
      }
    }
    starts_.push_back(static_cast<std::uint32_t>(text_.size()));
  }
  Slice();
}

TokenVocabulary::TokenVocabulary(std::span<const std::string> tokens) : starts_(1) {
  for (const std::string& token : tokens) {
    text_ += token;
    starts_.push_back(static_cast<std::uint32_t>(text_.size()));
  }
  Slice();
}

TokenVocabulary::~TokenVocabulary() = default;

std::span<const TokenSlice> TokenVocabulary::slices() const {
  return slices_;
}

std::size_t TokenVocabulary::bytes() const {
  std::size_t bytes = text_.capacity() + starts_.capacity() * sizeof(starts_[0]);
  for (const TokenSlice& slice : slices_) {
    bytes += slice.tree.bytes() + slice.mask.capacity() * sizeof(slice.mask[0]);
  }
  return bytes;
}

void TokenVocabulary::Slice() {
  // Few, so that a beginning that tokens of several slices share is not walked often.
  constexpr int kLimits[] = {4, 10, grammar::kLongestPlain, TokenSlice::kNotPlain};
  std::vector<std::int32_t> ids[std::size(kLimits)];
  std::bitset<256> bytes;
  for (std::int32_t id = 0; id < size(); ++id) {
    const std::string_view token = Bytes(id);
    // What is longer than a depth can say is longer than tokenizers allow.
    if (token.empty() || token.size() > 0xFFFF) {
      continue;
    }
    if (token.size() == 1) {
      bytes.set(static_cast<std::uint8_t>(token[0]));
    }
    const int chars = PlainChars(token);
    ids[std::ranges::lower_bound(kLimits, chars) - kLimits].push_back(id);
  }
  writes_any_text_ = bytes.all();
  for (std::size_t i = 0; i < std::size(kLimits); ++i) {
    std::vector<std::uint64_t> mask(words());
    for (const std::int32_t id : ids[i]) {
      mask[static_cast<std::size_t>(id) / 64] |= std::uint64_t{1} << (id % 64);
    }
    slices_.push_back({.max_chars = kLimits[i],
                       .tree = grammar::TokenTree(std::move(ids[i]),
                                                  [this](std::int32_t id) { return Bytes(id); }),
                       .mask = std::move(mask)});
  }
}

}  // namespace ashlar
