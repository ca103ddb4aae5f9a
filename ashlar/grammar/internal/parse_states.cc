#include "ashlar/grammar/internal/parse_states.h"

#include <algorithm>
#include <iterator>

namespace ashlar::grammar {
namespace {

// Callers that a state's own goals are compared with. Of ambiguous grammars in use the first or the
// second will do.
constexpr std::size_t kMostCallers = 8;
// Items that are looked at for one of them: those of large states are not worth more.
constexpr std::uint64_t kMostCompared = 1 << 15;

template <class T>
void SortUnique(std::vector<T>& values) {
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

std::uint64_t Mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
  return hash ^ (hash >> 29);
}

}  // namespace

std::size_t ParseStates::KernelHash::operator()(const std::vector<Item>& kernel) const {
  std::uint64_t hash = kernel.size();
  for (const Item& item : kernel) {
    hash = Mix(Mix(Mix(hash, item.at), item.goal), item.caller);
  }
  return hash;
}

ParseStates::ParseStates(Grammar grammar)
    : grammar_(std::move(grammar)),
      rules_(grammar_.rules()),
      classes_(rules_.classes),
      class_of_(rules_.class_of),
      states_(1),
      next_(classes_, kDead),
      by_kernel_(0, KernelHash{&states_}, KernelEqual{&states_}),
      slots_(64) {
  for (int byte = 0; byte < 256; ++byte) {
    if (byte == 0 || rules_.class_of[byte] != rules_.class_of[byte - 1]) {
      one_of_class_.push_back(static_cast<std::uint8_t>(byte));
    }
  }
  work_left_ = kMaxItems * kMaxItems;  // the start is the source's, which is bounded
  kernel_ = {{rules_.starts[grammar_.root()], grammar_.root(), kNobody}};
  const Id start = Intern();
  CHECK_EQ(start, kStart);
}

template <class Take>
void ParseStates::Return(RuleId goal, Id caller, Take take) {
  const std::vector<Item>& waiting = states_[caller].items;
  Count(waiting.size());
  for (const Item& item : waiting) {
    for (const Rules::Call& call : rules_.CallsOf(item.at)) {
      // Who called last has handed his own goal on, and waits for nothing.
      if (call.rule == goal && call.to != kEnd) {
        take(Item{call.to, item.goal, item.caller});
      }
    }
  }
}

ParseStates::Id ParseStates::Step(Id state, Rules::ByteClass read) {
  kernel_.clear();
  for (const Item& item : states_[state].items) {
    Count(1);
    for (const Rules::Read& edge : rules_.ReadsOf(item.at)) {
      if (edge.first <= read && read <= edge.last) {
        // A rule that has ended is replaced by what it returns to, so that the state does not
        // remember which rule that was.
        if (edge.to == kEnd && item.caller != kNobody) {
          Return(item.goal, item.caller, [this](const Item& next) { kernel_.push_back(next); });
        } else {
          kernel_.push_back({edge.to, item.goal, item.caller});
        }
      }
    }
  }
  SortUnique(kernel_);
  const Id next = kernel_.empty() ? kDead : Intern();
  if (exhausted()) {
    exhausted_ = true;
    return kDead;
  }
  return next_[state * classes_ + read] = next;
}

ParseStates::Id ParseStates::Intern() {
  if (const auto known = by_kernel_.find(kernel_); known != by_kernel_.end()) {
    return *known;
  }
  std::uint32_t depth = 0;
  for (const Item& item : kernel_) {
    depth = std::max(depth, states_[item.caller].depth + 1);
  }
  if (depth > kMaxDepth) {
    return kDead;
  }
  Count(32 + classes_ / 4);  // so that work bounds memory too: some 16 bytes each
  Id id = static_cast<Id>(states_.size());
  if (free_.empty()) {
    states_.emplace_back();
    next_.resize(next_.size() + classes_, kUnknown);
  } else {
    id = free_.back();
    free_.pop_back();
  }
  states_[id].kernel = kernel_;
  states_[id].depth = depth;
  Close(id);
  if (exhausted()) {  // what is not whole is not kept
    exhausted_ = true;
    states_[id] = {};
    free_.push_back(id);
    return kDead;
  }
  by_kernel_.insert(id);
  bytes_ += BytesOf(states_[id]);
  return id;
}

std::size_t ParseStates::BytesOf(const State& state) const {
  return sizeof(State) + classes_ * sizeof(Id) +
         (state.kernel.capacity() + state.items.capacity()) * sizeof(Item);
}

void ParseStates::Add(const Item& item) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = Mix(Mix(Mix(0, item.at), item.goal), item.caller) & mask;
  while (slots_[slot] != 0) {
    if (closure_[slots_[slot] - 1] == item) {
      return;
    }
    slot = (slot + 1) & mask;
  }
  Count(1);
  if (closure_.size() >= kMaxItems || exhausted()) {
    exhausted_ = true;
    return;
  }
  closure_.push_back(item);
  slots_[slot] = static_cast<std::uint32_t>(closure_.size());
  if (closure_.size() * 2 > slots_.size()) {
    slots_.assign(slots_.size() * 2, 0);
    const std::vector<Item> items = std::move(closure_);
    closure_.clear();
    for (const Item& again : items) {
      Add(again);
    }
  }
}

void ParseStates::Close(Id id) {
  closure_.clear();
  std::ranges::fill(slots_, 0);
  for (const Item& item : states_[id].kernel) {
    Add(item);
  }
  for (std::size_t i = 0; i < closure_.size(); ++i) {
    const Item item = closure_[i];
    if (item.at == kEnd) {
      if (item.caller == kNobody) {
        states_[id].accepting = true;
      } else if (item.caller != id) {  // else the call was passed over below
        Return(item.goal, item.caller, [this](const Item& next) { Add(next); });
      }
      continue;
    }
    for (const StateId to : rules_.SkipsOf(item.at)) {
      Add({to, item.goal, item.caller});
    }
    for (const Rules::Call& call : rules_.CallsOf(item.at)) {
      const bool last = call.to == kEnd;
      Add({rules_.starts[call.rule], last ? item.goal : call.rule, last ? item.caller : id});
      if (rules_.nullable[call.rule]) {
        Add({call.to, item.goal, item.caller});
      }
    }
  }
  std::erase_if(closure_, [this](const Item& item) {
    return rules_.ReadsOf(item.at).empty() && rules_.CallsOf(item.at).empty();
  });
  states_[id].items.assign(closure_.begin(), closure_.end());
  DropCovered(id);
}

void ParseStates::DropCovered(Id id) {
  std::vector<Item>& items = states_[id].items;
  std::vector<RuleId> goals;
  std::vector<Id> callers;
  for (const Item& item : items) {
    if (item.caller == id) {
      goals.push_back(item.goal);
    } else if (item.caller != kNobody) {
      callers.push_back(item.caller);
    }
  }
  SortUnique(items);
  SortUnique(goals);
  SortUnique(callers);
  callers.resize(std::min(callers.size(), kMostCallers));
  for (const Id earlier : callers) {
    const auto has_twin = [&](const Item& item) {
      return item.caller == id &&
             std::ranges::binary_search(items, Item{item.at, item.goal, earlier});
    };
    Count(items.size());
    if (std::ranges::none_of(items, has_twin)) {  // so it is in grammars that are not ambiguous
      continue;
    }
    const std::vector<RuleId> covered = CoveredGoals(goals, id, earlier);
    std::vector<Item> left;
    std::ranges::copy_if(items, std::back_inserter(left), [&](const Item& item) {
      return !has_twin(item) || !std::ranges::binary_search(covered, item.goal);
    });
    items = std::move(left);
  }
}

// All are taken for covered; those that are not, that being so, are none, and the rest is looked at
// again. What is left is covered however far it is followed: a simulation.
std::vector<RuleId> ParseStates::CoveredGoals(std::vector<RuleId> goals, Id id, Id earlier) {
  std::uint64_t compared = 0;
  for (std::size_t before = 0; before != goals.size();) {
    before = goals.size();
    const std::vector<RuleId> covered = goals;
    std::erase_if(goals, [&](RuleId goal) {
      compared += states_[earlier].items.size() + states_[id].items.size();
      if (compared > kMostCompared || exhausted()) {
        return true;
      }
      std::vector<Item> there;
      Return(goal, earlier, [&](const Item& next) { there.push_back(next); });
      SortUnique(there);
      bool all = true;
      Return(goal, id, [&](const Item& next) {
        all &= std::ranges::binary_search(there, next) ||
               (next.caller == id && std::ranges::binary_search(covered, next.goal) &&
                std::ranges::binary_search(there, Item{next.at, next.goal, earlier}));
      });
      return !all;
    });
  }
  return compared > kMostCompared || exhausted() ? std::vector<RuleId>() : goals;
}

void ParseStates::Collect(std::span<const Id> kept) {
  std::vector<bool> reached(states_.size());
  std::vector<Id> open(kept.begin(), kept.end());
  open.push_back(kStart);
  while (!open.empty()) {
    const Id id = open.back();
    open.pop_back();
    if (!reached[id]) {
      reached[id] = true;
      for (const Item& item : states_[id].kernel) {
        open.push_back(item.caller);
      }
    }
  }
  reached[kDead] = true;
  for (Id id = kStart; id < states_.size(); ++id) {
    if (!reached[id] && !states_[id].kernel.empty()) {
      by_kernel_.erase(id);
      bytes_ -= BytesOf(states_[id]);
      states_[id] = {};
      free_.push_back(id);
    }
  }
  for (Id& next : next_) {
    if (next != kUnknown && !reached[next]) {
      next = kUnknown;
    }
  }
  for (const Id id : free_) {
    std::fill_n(next_.begin() + static_cast<std::ptrdiff_t>(id * classes_), classes_, kUnknown);
  }
}

}  // namespace ashlar::grammar
