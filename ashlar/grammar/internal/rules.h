// Rules are what every kind of grammar becomes: a context-free grammar over bytes. Each rule is an
// automaton whose edges read a byte of a range, call another rule, or read nothing.
//
// Whole and trimmed: every state is reached from a root, and from every state the end of its rule
// can be reached. So text that leads to a state is always the beginning of a sentence.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ashlar::grammar {

using RuleId = std::uint32_t;
using StateId = std::uint32_t;

// The end of every rule; no edge leaves it.
inline constexpr StateId kEnd = 0;

struct Rules {
  // Bytes that no edge tells apart are one class; classes are ranges of bytes, ascending.
  using ByteClass = std::uint8_t;

  struct Read {
    ByteClass first;
    ByteClass last;  // inclusive
    StateId to;
  };
  struct Call {
    RuleId rule;
    StateId to;
  };
  // Where the edges of a state begin; they end where those of the next state begin.
  struct State {
    std::uint32_t reads;
    std::uint32_t calls;
    std::uint32_t skips;
  };

  std::span<const Read> ReadsOf(StateId state) const {
    return {reads.data() + states[state].reads, reads.data() + states[state + 1].reads};
  }
  std::span<const Call> CallsOf(StateId state) const {
    return {calls.data() + states[state].calls, calls.data() + states[state + 1].calls};
  }
  std::span<const StateId> SkipsOf(StateId state) const {
    return {skips.data() + states[state].skips, skips.data() + states[state + 1].skips};
  }

  std::size_t bytes() const {
    return sizeof(Rules) + starts.capacity() * sizeof(StateId) + nullable.capacity() / 8 +
           states.capacity() * sizeof(State) + reads.capacity() * sizeof(Read) +
           calls.capacity() * sizeof(Call) + skips.capacity() * sizeof(StateId);
  }

  std::vector<StateId> starts;  // of each rule; kEnd for one that is not reached
  std::vector<bool> nullable;   // whether each rule matches the empty text
  std::vector<State> states;    // and one more, behind the last
  std::vector<Read> reads;
  std::vector<Call> calls;
  std::vector<StateId> skips;
  std::array<ByteClass, 256> class_of = {};
  int classes = 1;
};

}  // namespace ashlar::grammar
