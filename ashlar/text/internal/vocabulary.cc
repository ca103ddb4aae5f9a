#include "ashlar/text/internal/vocabulary.h"

#include <algorithm>

#include "ashlar/text/internal/stage.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar::internal {

void Vocabulary::Reserve(std::size_t tokens) {
  ids_.reserve(tokens);
  contents_.reserve(tokens);
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
  if (const std::string* other = Content(narrow_id); other != nullptr) {
    return Invalid("the id {} belongs to both {} and {}", id, QuoteForError(*other),
                   QuoteForError(content));
  }
  const auto [entry, added] = ids_.emplace(content, narrow_id);
  if (!added) {
    return Invalid("the token {} has both the ids {} and {}", QuoteForError(content), entry->second,
                   id);
  }
  contents_.emplace(narrow_id, &entry->first);
  size_ = std::max(size_, narrow_id + 1);
  return {};
}

std::optional<std::int32_t> Vocabulary::Id(std::string_view content) const {
  const auto entry = ids_.find(content);
  return entry == ids_.end() ? std::nullopt : std::optional(entry->second);
}

const std::string* Vocabulary::Content(std::int32_t id) const {
  const auto entry = contents_.find(id);
  return entry == contents_.end() ? nullptr : entry->second;
}

}  // namespace ashlar::internal
