#include "ashlar/text/internal/charsmap.h"

#include <cstring>

#include "ashlar/base/byte_reader.h"
#include "ashlar/text/base64.h"
#include "ashlar/text/internal/utf8.h"

namespace ashlar::internal {
namespace {

bool ContinuesCharacter(char byte) {
  return (static_cast<std::uint8_t>(byte) & 0xC0) == 0x80;
}

// A unit of the double array.
std::uint32_t OffsetOf(std::uint32_t unit) {
  return unit >> 10 << ((unit & 1u << 9) >> 6);
}
bool HasLeaf(std::uint32_t unit) {
  return (unit >> 8 & 1) != 0;
}
std::uint32_t LabelOf(std::uint32_t unit) {
  return unit & (1u << 31 | 0xFF);
}
std::uint32_t LeafValueOf(std::uint32_t unit) {
  return unit & ~(1u << 31);
}

}  // namespace

Result<Charsmap> Charsmap::Parse(std::string_view bytes) {
  ByteReader reader(AsBytes(bytes));
  ASHLAR_TRY(const auto size, reader.Read<std::uint32_t>("the charsmap's size of its tree"));
  if (size % 4 != 0) {
    return Invalid("the charsmap's tree has {} bytes, no multiple of 4", size);
  }
  ASHLAR_TRY(const auto tree, reader.ReadBytes(size, "the charsmap's tree"));
  ASHLAR_TRY(const auto texts, reader.ReadText(reader.remaining(), "the charsmap's texts"));
  if (!IsUtf8(texts) || (!texts.empty() && texts.back() != '\0')) {
    return Invalid("the charsmap's texts are not UTF-8, ended by a zero byte");
  }
  Charsmap map;
  map.tree_.resize(size / 4);
  if (size > 0) {
    std::memcpy(map.tree_.data(), tree.data(), size);
  }
  map.texts_ = texts;
  return map;
}

template <class Visit>
void Charsmap::ForEachPrefix(std::string_view text, Visit visit) const {
  if (tree_.empty()) {
    return;
  }
  std::uint32_t node = OffsetOf(tree_[0]);
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<std::uint8_t>(text[at]);
    node ^= byte;
    if (node >= tree_.size() || LabelOf(tree_[node]) != byte) {
      return;
    }
    const bool has_leaf = HasLeaf(tree_[node]);
    node ^= OffsetOf(tree_[node]);
    if (!has_leaf) {
      continue;
    }
    if (node >= tree_.size()) {
      return;
    }
    const bool whole = at + 1 == text.size() || !ContinuesCharacter(text[at + 1]);
    const std::optional<std::string_view> replacement = TextAt(LeafValueOf(tree_[node]));
    if (whole && replacement.has_value()) {
      visit(Match{at + 1, *replacement});
    }
  }
}

std::optional<std::string_view> Charsmap::TextAt(std::uint32_t offset) const {
  if (offset >= texts_.size() || ContinuesCharacter(texts_[offset])) {
    return std::nullopt;
  }
  return texts_.c_str() + offset;  // a zero byte ends them all
}

Charsmap::Match Charsmap::Shortest(std::string_view text) const {
  Match shortest;
  ForEachPrefix(text, [&](const Match& match) {
    if (shortest.size == 0) {
      shortest = match;
    }
  });
  return shortest;
}

Charsmap::Match Charsmap::Longest(std::string_view text) const {
  Match longest;
  ForEachPrefix(text, [&](const Match& match) { longest = match; });
  return longest;
}

Result<Charsmap> ParseCharsmap(const JsonCursor& json) {
  ASHLAR_TRY(const std::optional<JsonCursor> member, json.Find("precompiled_charsmap"));
  if (!member.has_value()) {
    return Charsmap();
  }
  ASHLAR_TRY(const std::string text, member->AsString());
  if (text.empty()) {
    return Charsmap();  // of sentencepiece's rule "identity"
  }
  const Result<std::string> bytes = FromBase64(text);
  if (!bytes.ok()) {
    return bytes.error().In(member->path());
  }
  Result<Charsmap> map = Charsmap::Parse(*bytes);
  if (!map.ok()) {
    return member->Invalid("{}", map.error().message);
  }
  return map;
}

}  // namespace ashlar::internal
