// ParseStates is the machine that a grammar is, built as far as it has been walked: from a state,
// each byte leads to one state.
//
// A state is all that matters of the text read so far: the set of its items, in the manner of
// Earley's parser. An item is a place in a rule, with the goal that is reached at the rule's end
// and the state from which that goal was called. Since it names that state, and not a position in
// the text, two texts after which the same may follow are the same state wherever that can be seen
// from their items: a list's second element is read by the states of its third. So transitions and
// what is kept for a state (masks) are found again, within an answer and between requests.
//
// Any context-free grammar is walked, ambiguous and left-recursive ones too. A rule called last in
// another takes over its goal, so that right recursion does not nest. And an item is left out where
// another one in the same place leads on to all that it leads on to: of `s ::= s s | "a"` all texts
// from the second letter on are one state, though each letter may end as many s as there are
// letters before it.
//
// Confined to one thread. Ids are valid until Collect drops them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "ashlar/grammar/grammar.h"
#include "ashlar/grammar/internal/char_set.h"
#include "ashlar/grammar/internal/rules.h"

namespace ashlar::grammar {

class ParseStates {
 public:
  using Id = std::uint32_t;
  // No sentence begins so. (It has no way out.)
  static constexpr Id kDead = 0;
  // Calls within calls that an answer may be in, such as a JSON text's depth twice over; what
  // nests deeper is dead.
  static constexpr std::uint32_t kMaxDepth = 4096;
  // Items of one state. A grammar that needs more is ambiguous beyond use.
  static constexpr std::size_t kMaxItems = 2048;

  explicit ParseStates(Grammar grammar);
  ParseStates(const ParseStates&) = delete;
  ParseStates& operator=(const ParseStates&) = delete;

  Id start() const { return kStart; }
  // Once the work is used up (below), a way that is not known is dead.
  Id Next(Id state, std::uint8_t byte) {
    const Id next = next_[state * classes_ + class_of_[byte]];
    return next != kUnknown ? next : Step(state, class_of_[byte]);
  }
  // Bytes of `range`, one of each class: the grammar cannot tell the others from them.
  std::span<const std::uint8_t> OneOfEachClass(ByteRange range) const {
    const auto first = one_of_class_.begin() + rules_.class_of[range.first];
    const auto end = one_of_class_.begin() + rules_.class_of[range.last] + 1;
    return {first, end};
  }
  // Whether the text so far is a sentence.
  bool accepting(Id state) const { return states_[state].accepting; }
  // Whether a longer text is one.
  bool goes_on(Id state) const { return !states_[state].items.empty(); }

  // Steps that are not known yet are work: so many items may be looked at until the next call.
  void GiveWork(std::uint64_t items) {
    work_left_ = items;
    exhausted_ = false;
  }
  std::uint64_t work_left() const { return work_left_; }
  // Whether that was too little, or a state too large, since GiveWork: answers of kDead do not
  // hold.
  bool exhausted() const { return exhausted_ || work_left_ == 0; }

  // What the states take, in bytes.
  std::size_t bytes() const { return bytes_; }
  // Drops every state but `kept`, the start and what those return to. Their ids will be others'.
  void Collect(std::span<const Id> kept);

 private:
  static constexpr Id kStart = 1;
  static constexpr Id kUnknown = ~Id{0};
  static constexpr Id kNobody = kDead;  // who called the root

  struct Item {
    StateId at;
    RuleId goal;
    Id caller;
    friend auto operator<=>(const Item&, const Item&) = default;
  };
  struct State {
    std::vector<Item> kernel;  // sorted: what the last byte led to
    std::vector<Item> items;   // those with a way on, and all that they call
    std::uint32_t depth = 0;
    bool accepting = false;
  };
  struct KernelHash {
    using is_transparent = void;
    const std::vector<State>* states;
    std::size_t operator()(const std::vector<Item>& kernel) const;
    std::size_t operator()(Id id) const { return (*this)((*states)[id].kernel); }
  };
  struct KernelEqual {
    using is_transparent = void;
    const std::vector<State>* states;
    bool operator()(Id a, Id b) const { return a == b; }
    bool operator()(const std::vector<Item>& a, Id b) const { return a == (*states)[b].kernel; }
  };

  Id Step(Id state, Rules::ByteClass read);
  // The state of `kernel_`.
  Id Intern();
  // All that `kernel` leads to without reading, into `items` and `accepting`.
  void Close(Id id);
  void Add(const Item& item);
  // `goal` is reached for `caller`: whoever waited there goes on.
  template <class Take>
  void Return(RuleId goal, Id caller, Take take);
  // Leaves out the items of `id` that it has called itself and that lead on to nothing but what
  // the same items of an earlier caller lead on to.
  void DropCovered(Id id);
  // Of `goals`, those that lead on to nothing else for `id` than for `earlier`.
  std::vector<RuleId> CoveredGoals(std::vector<RuleId> goals, Id id, Id earlier);
  std::size_t BytesOf(const State& state) const;
  void Count(std::uint64_t items) { work_left_ -= items < work_left_ ? items : work_left_; }

  const Grammar grammar_;
  const Rules& rules_;
  const std::size_t classes_;
  const std::array<Rules::ByteClass, 256> class_of_;  // of rules_: nearer, for walks
  std::vector<std::uint8_t> one_of_class_;
  std::vector<State> states_;
  std::vector<Id> next_;  // [state][class]
  std::vector<Id> free_;
  std::size_t bytes_ = 0;
  std::unordered_set<Id, KernelHash, KernelEqual> by_kernel_;
  std::uint64_t work_left_ = 0;
  bool exhausted_ = false;

  // Scratch of Step and Close.
  std::vector<Item> kernel_;
  std::vector<Item> closure_;
  std::vector<std::uint32_t> slots_;  // a hash table of places in closure_, plus one
};

}  // namespace ashlar::grammar
