// A Pattern is what a stage looks for in a text: a literal, or a regular expression.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/json_cursor.h"

namespace ashlar::internal {

// Bytes [begin, end) of a text.
struct TextRange {
  std::uint32_t begin;
  std::uint32_t end;
};

// Immutable, thread-safe.
class Pattern {
 public:
  // {"String": "..."} or {"Regex": "..."}.
  static Result<Pattern> Parse(const JsonCursor& json);
  // In Oniguruma's syntax (oniguruma.h).
  static Result<Pattern> Regex(std::string_view expression);

  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;
  ~Pattern();

  // The text that is looked for; null for a regular expression.
  const std::string* literal() const;

 private:
  friend class PatternSearch;
  struct Code;
  explicit Pattern(std::unique_ptr<const Code> code);
  std::unique_ptr<const Code> code_;
};

// The searches that one stage makes with one pattern over one text; the work that they may do
// together is bounded (pattern.cc), since a pattern comes from a file. Confined to one thread;
// must not outlive the pattern's storage.
class PatternSearch {
 public:
  static constexpr std::uint64_t kBaseSteps = 4u << 20;
  // `text_bytes`: the sum of what will be searched. `base_steps`: what even a short text may cost.
  PatternSearch(const Pattern& pattern, std::size_t text_bytes,
                std::uint64_t base_steps = kBaseSteps);
  ~PatternSearch();

  // The matches in `text`, from left to right, in place of what `matches` held. An empty match
  // that touches the match before it is none. Requires: well-formed. kExhausted beyond the bound.
  Status FindAll(std::string_view text, std::vector<TextRange>& matches);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ashlar::internal
