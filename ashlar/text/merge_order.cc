#include "ashlar/text/merge_order.h"

#include <unordered_map>

#include "ashlar/base/json.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/models/merger.h"

namespace ashlar {
namespace {

using internal::FirstChar;
using internal::Merger;
using internal::MergeTable;

// The symbols of texts: tokens, by id, and the other characters.
class Symbols {
 public:
  explicit Symbols(std::span<const std::string> tokens)
      : next_(static_cast<std::int32_t>(tokens.size())) {
    ids_.reserve(tokens.size());
    for (std::size_t id = 0; id < tokens.size(); ++id) {
      ids_.emplace(tokens[id], static_cast<std::int32_t>(id));
    }
    for (const std::string& token : tokens) {
      ForEachCharacter(token, [&](std::string_view character, std::size_t) {
        next_ += ids_.emplace(character, next_).second ? 1 : 0;
      });
    }
  }

  // Requires: a token, or a character of one.
  std::int32_t Of(std::string_view text) const { return ids_.at(text); }
  // Joins the characters of a token; the number of symbols that are left.
  std::size_t Join(std::string_view token, const MergeTable& rules, Merger& merger) const {
    merger.Clear();
    ForEachCharacter(
        token, [&](std::string_view character, std::size_t at) { merger.Add(Of(character), at); });
    merger.Merge(rules);
    std::size_t left = 0;
    merger.ForEach([&](std::int32_t, std::uint32_t) { ++left; });
    return left;
  }

 private:
  template <class Visit>
  static void ForEachCharacter(std::string_view text, Visit visit) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = FirstChar(text.substr(at)).size;
      visit(text.substr(at, size), at);
      at += size;
    }
  }

  std::unordered_map<std::string_view, std::int32_t> ids_;
  std::int32_t next_;
};

}  // namespace

Result<std::vector<float>> ScoresOfMerges(std::span<const std::string> tokens,
                                          std::span<const TokenPair> merges,
                                          const std::vector<bool>& in_no_text) {
  const Symbols symbols(tokens);
  MergeTable rules(merges.size());
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    if (left.empty() || right.empty()) {
      continue;  // no text holds it
    }
    rules.Set(symbols.Of(left), symbols.Of(right),
              {static_cast<std::uint32_t>(rank), symbols.Of(left + right)});
  }
  std::vector<float> scores(tokens.size(), kNoTokenScore);
  Merger merger;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    const std::size_t left = symbols.Join(tokens[id], rules, merger);
    if (left == 1 && merger.last_join()) {
      scores[id] = -static_cast<float>(merger.last_join()->rank);
    } else if (left == 2 && !in_no_text[id]) {
      return Unsupported(
          "no merge joins the last two parts of the token {}, which scores would join",
          QuoteForError(tokens[id]));
    }
  }
  return scores;
}

}  // namespace ashlar
