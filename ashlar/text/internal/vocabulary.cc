#include "ashlar/text/internal/vocabulary.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <random>
#include <utility>

#include "ashlar/text/internal/stage.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar::internal {

template <class Hash>
void Vocabulary::Table::Reserve(std::size_t tokens, const Hash& hash_of) {
  if (2 * tokens <= places_.size()) {
    return;
  }
  const std::vector<std::uint32_t> old =
      std::exchange(places_, std::vector<std::uint32_t>(std::bit_ceil(2 * tokens), kEmpty));
  size_ = 0;
  for (const std::uint32_t index : old) {
    if (index != kEmpty) {
      Add(index, hash_of);
    }
  }
}

template <class Hash>
void Vocabulary::Table::Add(std::size_t index, const Hash& hash_of) {
  Reserve(size_ + 1, hash_of);
  std::size_t place = hash_of(index) & (places_.size() - 1);
  while (places_[place] != kEmpty) {
    place = Next(place);
  }
  places_[place] = static_cast<std::uint32_t>(index);
  ++size_;
}

template <class Is>
std::size_t Vocabulary::Table::Find(std::uint64_t hash, const Is& is) const {
  if (places_.empty()) {
    return kNone;
  }
  std::size_t place = hash & (places_.size() - 1);
  while (places_[place] != kEmpty) {
    if (is(places_[place])) {
      return places_[place];
    }
    place = Next(place);
  }
  return kNone;
}

namespace {

// Which of the hashes of a table's size collide is different in each process, lest a file choose
// tokens that all do. (Of the product the high bits count.)
std::uint64_t Mixed(std::uint64_t hash) {
  static const std::uint64_t factor = [] {
    std::random_device random;
    return (std::uint64_t{random()} << 32 | random()) | 1;
  }();
  return hash * factor >> 32;
}

}  // namespace

std::uint64_t Vocabulary::HashOf(std::string_view content) {
  return Mixed(std::hash<std::string_view>()(content));
}

std::uint64_t Vocabulary::HashOf(std::int32_t id) {
  return Mixed(static_cast<std::uint64_t>(id));
}

void Vocabulary::Reserve(std::size_t tokens) {
  tokens_.reserve(tokens);
  by_content_.Reserve(tokens, [&](std::size_t i) { return HashOf(ContentOf(tokens_[i])); });
  by_id_.Reserve(tokens, [&](std::size_t i) { return HashOf(tokens_[i].id); });
}

Status Vocabulary::Add(std::string_view content, std::int64_t id) {
  if (id < 0 || id > Tokenizer::kMaxTokenId) {
    return Invalid("the id of {} is {}, not in 0 to {}", QuoteForError(content), id,
                   Tokenizer::kMaxTokenId);
  }
  if (content.size() > kMaxLiteralBytes) {
    return Invalid("the token with id {} has {} bytes, more than {}", id, content.size(),
                   kMaxLiteralBytes);
  }
  const auto narrow_id = static_cast<std::int32_t>(id);
  if (const auto other = Content(narrow_id)) {
    return Invalid("the id {} belongs to both {} and {}", id, QuoteForError(*other),
                   QuoteForError(content));
  }
  if (const auto other = Id(content)) {
    return Invalid("the token {} has both the ids {} and {}", QuoteForError(content), *other, id);
  }
  tokens_.push_back({.begin = contents_.size(),
                     .bytes = static_cast<std::uint32_t>(content.size()),
                     .id = narrow_id});
  contents_.insert(contents_.end(), content.begin(), content.end());
  by_content_.Add(tokens_.size() - 1, [&](std::size_t i) { return HashOf(ContentOf(tokens_[i])); });
  by_id_.Add(tokens_.size() - 1, [&](std::size_t i) { return HashOf(tokens_[i].id); });
  size_ = std::max(size_, narrow_id + 1);
  return {};
}

std::size_t Vocabulary::IndexOf(std::string_view content) const {
  return by_content_.Find(HashOf(content),
                          [&](std::size_t i) { return ContentOf(tokens_[i]) == content; });
}

std::size_t Vocabulary::IndexOf(std::int32_t id) const {
  return by_id_.Find(HashOf(id), [&](std::size_t i) { return tokens_[i].id == id; });
}

std::optional<std::int32_t> Vocabulary::Id(std::string_view content) const {
  const std::size_t index = IndexOf(content);
  return index == kNone ? std::nullopt : std::optional(tokens_[index].id);
}

std::optional<std::string_view> Vocabulary::Content(std::int32_t id) const {
  const std::size_t index = IndexOf(id);
  return index == kNone ? std::nullopt : std::optional(ContentOf(tokens_[index]));
}

}  // namespace ashlar::internal
