// A Builder makes a Grammar: rules are declared, their states made, and edges drawn between them in
// any order. Then Finish trims it.
//
// Every function that draws takes the state to begin at and the state to arrive at, so sequences,
// choices and loops need no functions of their own: a choice is two drawings between the same
// states, a sequence has a state between.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
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
  // The rules of another grammar, once for all those that share them; returns its root.
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
  // Finish gives `error()` if `rule` derives anything, or nothing.
  void RequireNothing(RuleId rule, std::function<Error()> error);
  void RequireSomething(RuleId rule, std::function<Error()> error);
  // kInvalid when the root derives nothing, kExhausted when a limit is passed.
  Result<Grammar> Finish(RuleId root) &&;
  // A grammar for each root; they share their rules.
  Result<std::vector<Grammar>> Finish(std::span<const RuleId> roots) &&;

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
  // Calls of rules that derive nothing but the empty text become skips.
  void PassOverEmptyCalls();
  void ShortenSkips();
  Rules Pack(std::span<const RuleId> roots) const;

  StateId states_ = kEnd + 1;
  std::vector<StateId> starts_;
  std::vector<Edge> edges_;
  std::uint64_t ranges_ = 0;        // of the sets that were drawn
  std::map<CharSet, RuleId> wide_;  // rules for the parts of sets that take several bytes
  struct Added {
    Grammar grammar;  // keeps its rules
    RuleId first;     // of its rules here
  };
  std::map<const Rules*, Added> added_;
  struct Demand {
    RuleId rule;
    bool derives;  // anything, or nothing
    std::function<Error()> error;
  };
  std::vector<Demand> demands_;
};

}  // namespace ashlar::grammar
