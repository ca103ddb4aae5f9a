// Automata over characters: what regular expressions become, and how several conditions on one
// text (two patterns, a length, names that are taken) become one.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "ashlar/base/result.h"
#include "ashlar/grammar/internal/builder.h"
#include "ashlar/grammar/internal/char_set.h"
#include "ashlar/grammar/source_work.h"

namespace ashlar::grammar {

// A nondeterministic automaton as a regular expression draws it, with one state to begin at and one
// to end at.
struct CharNfa {
  enum class Kind : std::uint8_t {
    kRead,     // a character of `set`
    kSkip,     // nothing
    kAtStart,  // nothing, where no character was read before
    kAtEnd,    // nothing, where none will be read after
  };
  struct Edge {
    std::uint32_t from;
    std::uint32_t to;
    Kind kind;
    CharSet set;  // kRead
  };
  std::uint32_t states = 0;
  std::uint32_t start = 0;
  std::uint32_t end = 0;
  std::vector<Edge> edges;

  // The same without kAtStart and kAtEnd. Anywhere: a match of some part of a text is one of it.
  CharNfa Plain(bool anywhere) const;
  // Edges, and the ranges of their sets.
  std::uint64_t size() const;
};

// A deterministic one; complete: in every state every character leads somewhere.
class CharDfa {
 public:
  // States are bounded, since a determined automaton can be exponentially larger than its pattern:
  // kExhausted beyond.
  static constexpr std::size_t kMaxStates = 20'000;

  // Requires: `nfa` has no kAtStart or kAtEnd.
  static Result<CharDfa> Of(const CharNfa& nfa, SourceWork& work);
  // Texts of `min` to `max` characters (kUnbounded: any number).
  static Result<CharDfa> OfLength(std::uint32_t min, std::uint32_t max);
  // Numbers in base 10 (digits only) that `divisor` divides, in the fewest states. Requires: 0 <
  // divisor <= kMaxStates.
  static Result<CharDfa> OfMultiples(std::uint32_t divisor, SourceWork& work);

  friend Result<CharDfa> Both(const CharDfa& a, const CharDfa& b, SourceWork& work);
  CharDfa Others() const;                             // every text that this does not match
  Result<CharDfa> Minimized(SourceWork& work) const;  // the same in the fewest states
  bool Matches(std::string_view utf8) const;
  bool matches_nothing() const;

  // The same without what leads nowhere, for drawing.
  CharNfa AsNfa() const;

 private:
  std::uint32_t& Next(std::uint32_t state, std::size_t part) {
    return next_[state * starts_.size() + part];
  }
  std::uint32_t Next(std::uint32_t state, std::size_t part) const {
    return next_[state * starts_.size() + part];
  }
  std::vector<bool> Reaching() const;  // states from which a match can be completed

  // Characters from starts_[i] up to starts_[i + 1] are not told apart. starts_[0] == 0.
  std::vector<char32_t> starts_ = {0};
  std::vector<std::uint32_t> next_;  // [state][part]; the first state is where it begins
  std::vector<bool> ends_;           // by state
};

// Characters that each text of `nfa` has, at least and at most: any number where a loop stands on
// the way to its end, or where it has no texts. It takes each edge a few times, however long the
// texts are. Requires: `nfa` has no kAtStart or kAtEnd.
struct CharLengths {
  std::uint32_t min = 0;
  std::uint32_t max = kUnbounded;
};
CharLengths LengthsOf(const CharNfa& nfa);

// How many states are reached by fewer than `characters`. Requires and takes what LengthsOf does.
std::uint32_t StatesWithin(const CharNfa& nfa, std::uint32_t characters);

// How a character of a set is written between two states: as itself, or as a string of JSON has it.
using DrawChars = std::function<void(StateId from, const CharSet& set, StateId to)>;
// Requires: `nfa` has no kAtStart or kAtEnd.
void Draw(Builder& builder, StateId from, const CharNfa& nfa, const DrawChars& chars, StateId to);

}  // namespace ashlar::grammar
