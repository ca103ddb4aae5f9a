#include "ashlar/grammar/internal/builder.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <tuple>

namespace ashlar::grammar {

Builder::Builder() = default;

RuleId Builder::AddRule() {
  starts_.push_back(AddState());
  return static_cast<RuleId>(starts_.size() - 1);
}

StateId Builder::AddState() {
  return states_++;
}

RuleId Builder::AddRulesOf(const Grammar& grammar) {
  const Rules& rules = grammar.rules();
  const auto first_rule = static_cast<RuleId>(starts_.size());
  const auto [known, is_new] = added_.try_emplace(&rules, Added{grammar, first_rule});
  if (!is_new) {
    return known->second.first + grammar.root();
  }
  const StateId before = states_ - (kEnd + 1);  // the end is everybody's
  const auto here = [before](StateId state) { return state == kEnd ? kEnd : before + state; };
  const auto states = static_cast<StateId>(rules.states.size() - 1);
  states_ += states - 1;
  for (const StateId start : rules.starts) {
    starts_.push_back(here(start));
  }
  std::array<ByteRange, 256> bytes_of = {};  // by class
  for (int byte = 255; byte >= 0; --byte) {
    ByteRange& range = bytes_of[rules.class_of[byte]];
    range.first = static_cast<std::uint8_t>(byte);
    range.last = std::max(range.last, range.first);
  }
  for (StateId state = kEnd + 1; state < states && !full(); ++state) {
    for (const Rules::Read& read : rules.ReadsOf(state)) {
      Read(here(state), {bytes_of[read.first].first, bytes_of[read.last].last}, here(read.to));
    }
    for (const Rules::Call& call : rules.CallsOf(state)) {
      Call(here(state), first_rule + call.rule, here(call.to));
    }
    for (const StateId to : rules.SkipsOf(state)) {
      Skip(here(state), here(to));
    }
  }
  return first_rule + grammar.root();
}

bool Builder::full() const {
  return states_ > Grammar::kMaxStates || edges_.size() >= Grammar::kMaxEdges ||
         ranges_ > Grammar::kMaxRanges;
}

void Builder::Read(StateId from, ByteRange bytes, StateId to) {
  if (!full()) {
    edges_.push_back({.from = from, .to = to, .rule = 0, .kind = Kind::kRead, .bytes = bytes});
  }
}

void Builder::Call(StateId from, RuleId rule, StateId to) {
  if (!full()) {
    edges_.push_back({.from = from, .to = to, .rule = rule, .kind = Kind::kCall, .bytes = {}});
  }
}

void Builder::Skip(StateId from, StateId to) {
  if (!full()) {
    edges_.push_back({.from = from, .to = to, .rule = 0, .kind = Kind::kSkip, .bytes = {}});
  }
}

void Builder::Literal(StateId from, std::string_view bytes, StateId to) {
  if (bytes.empty()) {
    Skip(from, to);
    return;
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const StateId next = i + 1 == bytes.size() ? to : AddState();
    const auto byte = static_cast<std::uint8_t>(bytes[i]);
    Read(from, {byte, byte}, next);
    from = next;
  }
}

void Builder::Chars(StateId from, const CharSet& set, StateId to) {
  ranges_ += set.ranges().size();
  if (full()) {
    return;
  }
  static const CharSet kAscii = {{0, 0x7F}};
  const CharSet single = set & kAscii;
  for (const CharRange& range : single.ranges()) {
    Read(from, {static_cast<std::uint8_t>(range.first), static_cast<std::uint8_t>(range.last)}, to);
  }
  // The rest takes states between the bytes: one rule serves all places of the same set.
  CharSet rest = set - kAscii;
  if (rest.empty()) {
    return;
  }
  const auto [place, is_new] = wide_.try_emplace(std::move(rest), 0);
  if (is_new) {
    place->second = AddRule();
    // Sequences ascend, so those that begin alike are neighbours.
    std::vector<ByteRange> open;
    std::vector<StateId> path = {start(place->second)};
    for (const ByteSequence& sequence : Utf8Sequences(place->first)) {
      const std::span<const ByteRange> bytes(sequence.ranges.data(), sequence.size);
      const auto shared =
          static_cast<std::size_t>(std::ranges::mismatch(open, bytes).in1 - open.begin());
      path.resize(shared + 1);
      for (std::size_t i = shared; i < bytes.size(); ++i) {
        path.push_back(i + 1 == bytes.size() ? kEnd : AddState());
        Read(path[i], bytes[i], path[i + 1]);
      }
      open.assign(bytes.begin(), bytes.end());
    }
  }
  Call(from, place->second, to);
}

void Builder::Draw(StateId from, const Piece& piece, StateId to) {
  if (const auto* bytes = std::get_if<std::string>(&piece)) {
    Literal(from, *bytes, to);
  } else if (const auto* set = std::get_if<CharSet>(&piece)) {
    Chars(from, *set, to);
  } else {
    Call(from, std::get<RuleId>(piece), to);
  }
}

void Builder::Repeat(StateId from, const Piece& piece, std::uint32_t min, std::uint32_t max,
                     StateId to) {
  StateId at = from;
  for (std::uint32_t i = 0; i < min && !full(); ++i) {
    const StateId next = AddState();
    Draw(at, piece, next);
    at = next;
  }
  if (max == kUnbounded) {
    const StateId loop = AddState();
    Skip(at, loop);
    Draw(loop, piece, loop);
    Skip(loop, to);
    return;
  }
  for (std::uint32_t i = min; i < max && !full(); ++i) {
    Skip(at, to);
    const StateId next = AddState();
    Draw(at, piece, next);
    at = next;
  }
  Skip(at, to);
}

void Builder::RequireNothing(RuleId rule, std::function<Error()> error) {
  demands_.push_back({rule, /*derives=*/false, std::move(error)});
}

void Builder::RequireSomething(RuleId rule, std::function<Error()> error) {
  demands_.push_back({rule, /*derives=*/true, std::move(error)});
}

std::vector<bool> Builder::Reaching(bool without_reading) const {
  // Edges by what they wait for: the state they lead to, or, for calls, first the rule's start.
  std::vector<std::vector<std::uint32_t>> into(states_);
  for (std::uint32_t i = 0; i < edges_.size(); ++i) {
    if (edges_[i].kind != Kind::kRead || !without_reading) {
      into[edges_[i].to].push_back(i);
      if (edges_[i].kind == Kind::kCall) {
        into[starts_[edges_[i].rule]].push_back(i);
      }
    }
  }
  std::vector<bool> reaching(states_);
  std::vector<StateId> open = {kEnd};
  reaching[kEnd] = true;
  while (!open.empty()) {
    const StateId state = open.back();
    open.pop_back();
    for (const std::uint32_t i : into[state]) {
      const Edge& edge = edges_[i];
      const bool called = edge.kind != Kind::kCall || reaching[starts_[edge.rule]];
      if (called && reaching[edge.to] && !reaching[edge.from]) {
        reaching[edge.from] = true;
        open.push_back(edge.from);
      }
    }
  }
  return reaching;
}

void Builder::KeepEdgesBetween(const std::vector<bool>& states) {
  std::erase_if(edges_, [&](const Edge& edge) {
    return !states[edge.from] || !states[edge.to] ||
           (edge.kind == Kind::kCall && !states[starts_[edge.rule]]);
  });
}

void Builder::PassOverEmptyCalls() {
  // From which states something may be read before the end of their rule: by now every edge lies on
  // a way there.
  std::vector<bool> reading(states_);
  std::vector<std::vector<StateId>> before(states_);  // those that go on to a state, or call it
  std::vector<StateId> open;
  const auto reads = [&](StateId state) {
    if (!reading[state]) {
      reading[state] = true;
      open.push_back(state);
    }
  };
  for (const Edge& edge : edges_) {
    before[edge.to].push_back(edge.from);
    if (edge.kind == Kind::kRead) {
      reads(edge.from);
    } else if (edge.kind == Kind::kCall) {
      before[starts_[edge.rule]].push_back(edge.from);
    }
  }
  while (!open.empty()) {
    const StateId state = open.back();
    open.pop_back();
    std::ranges::for_each(before[state], reads);
  }
  for (Edge& edge : edges_) {
    if (edge.kind == Kind::kCall && !reading[starts_[edge.rule]]) {
      edge.kind = Kind::kSkip;
    }
  }
}

// A state that only skips is the state it skips to.
void Builder::ShortenSkips() {
  std::vector<std::uint32_t> leaving(states_);
  std::vector<StateId> same(states_);
  for (StateId i = 0; i < states_; ++i) {
    same[i] = i;
  }
  for (const Edge& edge : edges_) {
    ++leaving[edge.from];
  }
  for (const Edge& edge : edges_) {
    if (edge.kind == Kind::kSkip && leaving[edge.from] == 1) {
      same[edge.from] = edge.to;
    }
  }
  // No cycles: from each state the end is reached, and each of these has one way only.
  const auto target = [&same](StateId state) {
    StateId end = state;
    while (same[end] != end) {
      end = same[end];
    }
    while (same[state] != end) {
      state = std::exchange(same[state], end);
    }
    return end;
  };
  for (Edge& edge : edges_) {
    edge.to = target(edge.to);
  }
  for (StateId& start : starts_) {
    start = target(start);
  }
}

Rules Builder::Pack(std::span<const RuleId> roots) const {
  // States that are reached from a root's start, in the order in which they are found.
  std::vector<std::vector<std::uint32_t>> from(states_);
  for (std::uint32_t i = 0; i < edges_.size(); ++i) {
    from[edges_[i].from].push_back(i);
  }
  constexpr StateId kUnreached = ~StateId{0};
  std::vector<StateId> number(states_, kUnreached);
  std::vector<StateId> order;
  const auto reach = [&](StateId state) {
    if (number[state] == kUnreached) {
      number[state] = static_cast<StateId>(order.size());
      order.push_back(state);
    }
  };
  reach(kEnd);
  for (const RuleId root : roots) {
    reach(starts_[root]);
  }
  std::bitset<257> first_of_class;
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (const std::uint32_t index : from[order[i]]) {
      const Edge& edge = edges_[index];
      reach(edge.to);
      if (edge.kind == Kind::kCall) {
        reach(starts_[edge.rule]);
      } else if (edge.kind == Kind::kRead) {
        first_of_class.set(edge.bytes.first);
        first_of_class.set(edge.bytes.last + 1);
      }
    }
  }
  Rules rules;
  for (int byte = 1, of = 0; byte < 256; ++byte) {
    of += first_of_class[byte];
    rules.class_of[byte] = static_cast<Rules::ByteClass>(of);
    rules.classes = of + 1;
  }
  for (const StateId state : order) {
    rules.states.push_back({static_cast<std::uint32_t>(rules.reads.size()),
                            static_cast<std::uint32_t>(rules.calls.size()),
                            static_cast<std::uint32_t>(rules.skips.size())});
    for (const std::uint32_t index : from[state]) {
      const Edge& edge = edges_[index];
      const StateId to = number[edge.to];
      switch (edge.kind) {
        case Kind::kRead:
          rules.reads.push_back(
              {rules.class_of[edge.bytes.first], rules.class_of[edge.bytes.last], to});
          break;
        case Kind::kCall:
          rules.calls.push_back({edge.rule, to});
          break;
        case Kind::kSkip:
          rules.skips.push_back(to);
          break;
      }
    }
  }
  rules.states.push_back({static_cast<std::uint32_t>(rules.reads.size()),
                          static_cast<std::uint32_t>(rules.calls.size()),
                          static_cast<std::uint32_t>(rules.skips.size())});
  const std::vector<bool> empty = Reaching(/*without_reading=*/true);
  for (const StateId start : starts_) {
    rules.starts.push_back(number[start] == kUnreached ? kEnd : number[start]);
    rules.nullable.push_back(empty[start]);
  }
  return rules;
}

Result<Grammar> Builder::Finish(RuleId root) && {
  ASHLAR_TRY(std::vector<Grammar> one, std::move(*this).Finish(std::span(&root, 1)));
  return std::move(one.front());
}

Result<std::vector<Grammar>> Builder::Finish(std::span<const RuleId> roots) && {
  if (full()) {
    return Exhausted(
        "the grammar takes more than {} states, {} edges or {} ranges of characters: lengths, "
        "counts (maxLength, maxItems, {{m,n}}) and lists of values (enum) take the most",
        Grammar::kMaxStates, Grammar::kMaxEdges, Grammar::kMaxRanges);
  }
  const std::vector<bool> alive = Reaching(/*without_reading=*/false);
  for (const Demand& demand : demands_) {
    if (alive[starts_[demand.rule]] != demand.derives) {
      return demand.error();
    }
  }
  if (std::ranges::any_of(roots, [&](RuleId root) { return !alive[starts_[root]]; })) {
    return Invalid("no text satisfies the grammar");
  }
  KeepEdgesBetween(alive);
  PassOverEmptyCalls();
  ShortenSkips();
  const auto rules = std::make_shared<const Rules>(Pack(roots));
  std::vector<Grammar> grammars;
  for (const RuleId root : roots) {
    grammars.emplace_back(rules, root);
  }
  return grammars;
}

}  // namespace ashlar::grammar
