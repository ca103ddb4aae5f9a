// Text up to a mark, as the automaton of Knuth, Morris and Pratt.
#include <optional>
#include <string>
#include <vector>

#include "ashlar/base/check.h"
#include "ashlar/grammar/grammar.h"
#include "ashlar/grammar/internal/builder.h"
#include "ashlar/grammar/internal/rules.h"

namespace ashlar {

using grammar::Builder;
using grammar::kEnd;
using grammar::RuleId;
using grammar::StateId;

namespace {

constexpr std::string_view kBlanks = " \n\r\t";

// How much of the beginning of `mark` stands at the end of its first `size` bytes and `byte`.
std::size_t MatchedAfter(std::string_view mark, std::size_t size, char byte) {
  const std::string text = std::string(mark.substr(0, size)) + byte;
  std::size_t matched = text.size();
  while (!mark.starts_with(std::string_view(text).substr(text.size() - matched))) {
    --matched;
  }
  return matched;
}

Grammar Draw(const FreeText& text, bool with_mark) {
  CHECK(!text.mark.empty());
  Builder builder;
  const RuleId root = builder.AddRule();
  // matched[i]: what stands at the end are the first i bytes of the mark.
  std::vector<StateId> matched(text.mark.size());
  for (StateId& state : matched) {
    state = builder.AddState();
  }
  const StateId start = builder.start(root);
  // Where `byte` leads to; nothing where it may not come.
  const auto next = [&](StateId from, std::size_t size, char byte) -> std::optional<StateId> {
    if (from == start && kBlanks.find(byte) != std::string_view::npos) {
      return start;
    }
    if (from == start && text.not_first.find(byte) != std::string_view::npos) {
      return std::nullopt;
    }
    const std::size_t after = MatchedAfter(text.mark, size, byte);
    if (after < matched.size()) {
      return matched[after];
    }
    return with_mark ? std::optional(kEnd) : std::nullopt;
  };
  // The edges of a state where so much of the mark is matched: ranges of bytes that lead alike.
  const auto draw = [&](StateId from, std::size_t size) {
    for (int first = 0, last = 0; first < 256; first = last + 1) {
      const std::optional<StateId> to = next(from, size, static_cast<char>(first));
      for (last = first; last < 255 && next(from, size, static_cast<char>(last + 1)) == to;) {
        ++last;
      }
      if (to) {
        builder.Read(from, {static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(last)},
                     *to);
      }
    }
    if (!with_mark) {
      builder.Skip(from, kEnd);
    }
  };
  draw(start, 0);
  for (std::size_t size = 0; size < matched.size(); ++size) {
    draw(matched[size], size);
  }
  Result<Grammar> made = std::move(builder).Finish(root);
  CHECK(made.ok());
  return *std::move(made);
}

}  // namespace

Grammar FreeTextUpToMark(const FreeText& text) {
  return Draw(text, /*with_mark=*/true);
}

Grammar FreeTextWithoutMark(const FreeText& text) {
  return Draw(text, /*with_mark=*/false);
}

}  // namespace ashlar
