// A Builder makes a Grammar: rules are declared, their states made, and edges drawn between them in
// any order. Then Finish trims it.
//
// Every function that draws takes the state to begin at and the state to arrive at, so sequences,
// choices and loops need no functions of their own: a choice is two drawings between the same
// states, a sequence has a state between.
#pragma once

#include <limits>
#include <map>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "ashlar/base/result.h"
#include "ashlar/grammar/grammar.h"
#include "ashlar/grammar/internal/char_set.h"
#include "ashlar/grammar/internal/rules.h"

namespace ashlar::grammar {

// What stands once between two states.
using Piece = std::variant<std::string, CharSet, RuleId>;

inline constexpr std::uint32_t kUnbounded = std::numeric_limits<std::uint32_t>::max();

class Builder {
 public:
  Builder();

  // A rule that derives nothing until something is drawn from its start to kEnd.
  RuleId AddRule();
  // The rules of another grammar; returns its root.
  RuleId AddRulesOf(const Grammar& grammar);
  StateId start(RuleId rule) const { return starts_[rule]; }
  StateId AddState();

  void Read(StateId from, ByteRange bytes, StateId to);
  void Call(StateId from, RuleId rule, StateId to);
  void Skip(StateId from, StateId to);
  void Literal(StateId from, std::string_view bytes, StateId to);
  void Chars(StateId from, const CharSet& set, StateId to);
  void Draw(StateId from, const Piece& piece, StateId to);
  // `piece`, `min` to `max` times. An unbounded `max` is a loop.
  void Repeat(StateId from, const Piece& piece, std::uint32_t min, std::uint32_t max, StateId to);

  // Whether a limit is passed. What is drawn from then on is dropped, and Finish refuses, so a
  // caller with a long loop may stop early.
  bool full() const;
  // Finish gives `error` if `rule` derives anything.
  void RequireNothing(RuleId rule, Error error);
  // kInvalid when the root derives nothing, kExhausted when a limit is passed.
  Result<Grammar> Finish(RuleId root) &&;

 private:
  enum class Kind : std::uint8_t { kRead, kCall, kSkip };
  struct Edge {
    StateId from;
    StateId to;
    std::uint32_t rule;
    Kind kind;
    ByteRange bytes;
  };
  // For each state, whether kEnd can be reached from it; without_reading: by calls and skips alone.
  std::vector<bool> Reaching(bool without_reading) const;
  void KeepEdgesBetween(const std::vector<bool>& states);
  void ShortenSkips();
  Rules Pack(RuleId root) const;

  StateId states_ = kEnd + 1;
  std::vector<StateId> starts_;
  std::vector<Edge> edges_;
  std::map<CharSet, RuleId> wide_;  // rules for the parts of sets that take several bytes
  std::vector<std::pair<RuleId, Error>> nothing_;
};

}  // namespace ashlar::grammar
