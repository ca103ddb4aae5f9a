#include "ashlar/text/merge_order.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "ashlar/base/json.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/models/merger.h"
#include "ashlar/text/models/symbol_cuts.h"

namespace ashlar {
namespace {

using internal::FirstChar;
using internal::Merger;
using internal::MergeTable;
using internal::SymbolCuts;

// The symbols of texts: tokens, by id, and the other characters.
class Symbols {
 public:
  explicit Symbols(std::span<const std::string> tokens) : texts_(tokens.begin(), tokens.end()) {
    ids_.reserve(tokens.size());
    for (std::size_t id = 0; id < tokens.size(); ++id) {
      ids_.emplace(tokens[id], static_cast<std::int32_t>(id));
    }
    for (const std::string& token : tokens) {
      ForEachCharacter(token, [&](std::string_view character, std::size_t) {
        if (ids_.emplace(character, static_cast<std::int32_t>(texts_.size())).second) {
          texts_.push_back(character);
        }
      });
    }
  }

  // Requires: a token, or a character of one.
  std::int32_t Of(std::string_view text) const { return ids_.at(text); }
  std::span<const std::string_view> texts() const { return texts_; }
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
  std::vector<std::string_view> texts_;  // by id
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

namespace {

// A rule for every cut of a token into two symbols; equal scores are equal ranks.
MergeTable RulesOfScores(std::span<const std::string> tokens, std::span<const float> scores,
                         const Symbols& symbols) {
  std::map<float, std::uint32_t, std::greater<>> ranks;
  for (const float score : scores) {
    ranks.emplace(score, 0);
  }
  std::uint32_t next_rank = 0;
  for (auto& [score, rank] : ranks) {
    rank = next_rank++;
  }
  const SymbolCuts cuts(symbols.texts());
  MergeTable rules;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (scores[id] == kNoTokenScore) {
      continue;
    }
    const auto whole = static_cast<std::int32_t>(id);
    const std::uint32_t rank = ranks.at(scores[id]);
    cuts.ForEach(whole, [&](std::int32_t left, std::int32_t right) {
      rules.Set(left, right, {rank, whole});
    });
  }
  return rules;
}

// A token that texts come to, and its last join.
struct Made {
  std::int32_t id;
  Merger::Join of;
};

// Of how many others each token is a part, by id; of one twice if it is both.
std::vector<std::uint32_t> CountWholes(std::span<const Made> all, std::size_t tokens) {
  std::vector<std::uint32_t> wholes(tokens);
  for (const Made& each : all) {
    ++wholes[static_cast<std::size_t>(each.of.left)];
    ++wholes[static_cast<std::size_t>(each.of.right)];
  }
  return wholes;
}

// Whether tokens of equal scores, the longest first, are "xx", "xxx" and so on of one character x,
// and no other token has them for parts. Then all of them join one after another, without a join of
// others between: the leftmost "xx" grows as long as it can, and so it does where longer ones go
// first.
bool AreRuns(std::span<const Made> equal, std::span<const std::uint32_t> wholes,
             std::span<const std::string> tokens) {
  const Merger::Join& shortest = equal.back().of;
  const std::string& x = tokens[static_cast<std::size_t>(shortest.right)];
  if (shortest.left != shortest.right || FirstChar(x).size != x.size()) {
    return false;
  }
  const auto wholes_of = [&](const Made& run) { return wholes[static_cast<std::size_t>(run.id)]; };
  for (std::size_t i = 0; i + 1 < equal.size(); ++i) {
    const bool is_next = equal[i].of.left == equal[i + 1].id &&
                         equal[i].of.right == shortest.right && wholes_of(equal[i + 1]) == 1;
    if (!is_next) {
      return false;
    }
  }
  return wholes_of(equal.front()) == 0;
}

}  // namespace

Result<std::vector<TokenPair>> MergesOfScores(std::span<const std::string> tokens,
                                              std::span<const float> scores) {
  const Symbols symbols(tokens);
  const MergeTable rules = RulesOfScores(tokens, scores, symbols);
  std::vector<Made> made;
  Merger merger;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (scores[id] == kNoTokenScore) {
      if (FirstChar(tokens[id]).size == tokens[id].size()) {
        return Unsupported("the token {} is a character that no text has it for",
                           QuoteForError(tokens[id]));
      }
      continue;
    }
    const bool whole = symbols.Join(tokens[id], rules, merger) == 1;
    if (!whole || !merger.last_join()) {
      continue;
    }
    const Merger::Join& join = *merger.last_join();
    if (std::max(join.left, join.right) >= static_cast<std::int32_t>(tokens.size())) {
      return Unsupported("a part of the token {} is a character that is no token",
                         QuoteForError(tokens[id]));
    }
    made.push_back({static_cast<std::int32_t>(id), join});
  }
  const auto text = [&](const Made& each) -> const std::string& {
    return tokens[static_cast<std::size_t>(each.id)];
  };
  std::ranges::sort(made, [&](const Made& a, const Made& b) {
    return a.of.rank != b.of.rank ? a.of.rank < b.of.rank : text(a).size() > text(b).size();
  });
  const std::vector<std::uint32_t> wholes = CountWholes(made, tokens.size());
  for (std::size_t begin = 0; begin < made.size();) {
    std::size_t end = begin + 1;
    while (end < made.size() && made[end].of.rank == made[begin].of.rank) {
      ++end;
    }
    if (end - begin > 1 && !AreRuns(std::span(made).subspan(begin, end - begin), wholes, tokens)) {
      return Unsupported(
          "the tokens {} and {} have the same score, and the leftmost in a text is first",
          QuoteForError(text(made[begin])), QuoteForError(text(made[begin + 1])));
    }
    begin = end;
  }
  std::vector<TokenPair> merges;
  merges.reserve(made.size());
  for (const Made& each : made) {
    merges.emplace_back(tokens[static_cast<std::size_t>(each.of.left)],
                        tokens[static_cast<std::size_t>(each.of.right)]);
  }
  return merges;
}

}  // namespace ashlar
