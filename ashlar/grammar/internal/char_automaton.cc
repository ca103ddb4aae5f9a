#include "ashlar/grammar/internal/char_automaton.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

namespace ashlar::grammar {
namespace {

Error TooManyStates() {
  return Exhausted("the conditions on a text take an automaton of more than {} states together",
                   CharDfa::kMaxStates);
}

// Where the sets of `edges` begin, and where they have ended: characters between two such places
// are not told apart.
std::vector<char32_t> PartsOf(const std::vector<CharNfa::Edge>& edges) {
  std::vector<char32_t> starts = {0};
  for (const CharNfa::Edge& edge : edges) {
    for (const CharRange& range : edge.set.ranges()) {
      starts.push_back(range.first);
      starts.push_back(range.last + 1);
    }
  }
  std::ranges::sort(starts);
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  if (starts.back() > CharSet::kLargest) {
    starts.pop_back();
  }
  return starts;
}

// Sets of an automaton's states that are reached together, as sorted vectors.
class Subsets {
 public:
  explicit Subsets(const CharNfa& nfa) : nfa_(nfa), out_(nfa.states), closed_in_(nfa.states) {
    for (std::uint32_t i = 0; i < nfa.edges.size(); ++i) {
      out_[nfa.edges[i].from].push_back(i);
    }
  }

  std::vector<std::uint32_t> Start() { return Close({nfa_.start}); }

  std::vector<std::uint32_t> Read(const std::vector<std::uint32_t>& from, char32_t code) {
    std::vector<std::uint32_t> to;
    for (const std::uint32_t state : from) {
      looked_at_ += out_[state].size();
      for (const std::uint32_t i : out_[state]) {
        const CharNfa::Edge& edge = nfa_.edges[i];
        if (edge.kind == CharNfa::Kind::kRead && edge.set.Contains(code)) {
          to.push_back(edge.to);
        }
      }
    }
    return Close(std::move(to));
  }

  // Edges, since the last call.
  std::uint64_t TakeLookedAt() { return std::exchange(looked_at_, 0); }

 private:
  std::vector<std::uint32_t> Close(std::vector<std::uint32_t> open) {
    ++closings_;
    std::vector<std::uint32_t> closed;
    while (!open.empty()) {
      const std::uint32_t state = open.back();
      open.pop_back();
      if (closed_in_[state] == closings_) {
        continue;
      }
      closed_in_[state] = closings_;
      closed.push_back(state);
      looked_at_ += out_[state].size();
      for (const std::uint32_t i : out_[state]) {
        if (nfa_.edges[i].kind == CharNfa::Kind::kSkip) {
          open.push_back(nfa_.edges[i].to);
        }
      }
    }
    std::ranges::sort(closed);
    return closed;
  }

  const CharNfa& nfa_;
  std::vector<std::vector<std::uint32_t>> out_;
  std::vector<std::uint64_t> closed_in_;  // by state: the last closing that reached it
  std::uint64_t closings_ = 0;
  std::uint64_t looked_at_ = 0;
};

}  // namespace

CharNfa CharNfa::Plain(bool anywhere) const {
  const bool anchored = std::ranges::any_of(edges, [](const Edge& edge) {
    return edge.kind == Kind::kAtStart || edge.kind == Kind::kAtEnd;
  });
  if (!anchored && !anywhere) {
    return *this;
  }
  // Each state four times: with whether a character was read, and whether none may be any more.
  const auto place = [](std::uint32_t state, bool read, bool over) {
    return state * 4 + (read ? 2 : 0) + (over ? 1 : 0);
  };
  CharNfa plain;
  const std::uint32_t before = states * 4;  // a match has not begun, and text was read
  const std::uint32_t after = before + 1;   // it has ended
  plain.start = after + 1;
  plain.end = after + 2;
  plain.states = after + 3;
  const auto draw = [&plain](std::uint32_t from, std::uint32_t to, Kind kind, CharSet set = {}) {
    plain.edges.push_back({.from = from, .to = to, .kind = kind, .set = std::move(set)});
  };
  for (const Edge& edge : edges) {
    for (const bool read : {false, true}) {
      for (const bool over : {false, true}) {
        const std::uint32_t from = place(edge.from, read, over);
        if (edge.kind == Kind::kRead) {
          if (!over) {
            draw(from, place(edge.to, true, false), Kind::kRead, edge.set);
          }
        } else if (edge.kind != Kind::kAtStart || !read) {
          draw(from, place(edge.to, read, over || edge.kind == Kind::kAtEnd), Kind::kSkip);
        }
      }
    }
  }
  draw(plain.start, place(start, false, false), Kind::kSkip);
  for (const bool read : {false, true}) {
    draw(place(end, read, false), after, Kind::kSkip);
    draw(place(end, read, true), plain.end, Kind::kSkip);
  }
  draw(after, plain.end, Kind::kSkip);
  if (anywhere) {
    draw(plain.start, before, Kind::kRead, CharSet::All());
    draw(before, before, Kind::kRead, CharSet::All());
    draw(before, place(start, true, false), Kind::kSkip);
    draw(after, after, Kind::kRead, CharSet::All());
  }
  return plain;
}

std::uint64_t CharNfa::size() const {
  std::uint64_t size = edges.size();
  for (const Edge& edge : edges) {
    size += edge.set.ranges().size();
  }
  return size;
}

Result<CharDfa> CharDfa::Of(const CharNfa& nfa, SourceWork& work) {
  ASHLAR_TRY(work.Take(nfa.size()));
  Subsets subsets(nfa);
  CharDfa dfa;
  dfa.starts_ = PartsOf(nfa.edges);
  std::map<std::vector<std::uint32_t>, std::uint32_t> known;
  std::vector<const std::vector<std::uint32_t>*> order;
  const auto state_of = [&](std::vector<std::uint32_t> set) {
    const auto [place, is_new] =
        known.try_emplace(std::move(set), static_cast<std::uint32_t>(order.size()));
    if (is_new) {
      order.push_back(&place->first);
    }
    return place->second;
  };
  state_of(subsets.Start());
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (order.size() > kMaxStates) {
      return TooManyStates();
    }
    dfa.ends_.push_back(std::ranges::binary_search(*order[i], nfa.end));
    for (const char32_t code : dfa.starts_) {
      dfa.next_.push_back(state_of(subsets.Read(*order[i], code)));
      ASHLAR_TRY(work.Take(1 + subsets.TakeLookedAt()));
    }
  }
  return dfa;
}

Result<CharDfa> CharDfa::OfLength(std::uint32_t min, std::uint32_t max) {
  // State i has read i characters; the last stays.
  const std::uint32_t last = max == kUnbounded ? min : max < kMaxStates ? max + 1 : kMaxStates;
  if (last >= kMaxStates) {
    return TooManyStates();
  }
  CharDfa dfa;
  for (std::uint32_t i = 0; i <= last; ++i) {
    dfa.next_.push_back(std::min(i + 1, last));
    dfa.ends_.push_back(i >= min && i <= max);
  }
  return dfa;
}

Result<CharDfa> CharDfa::OfMultiples(std::uint32_t divisor, SourceWork& work) {
  CharDfa dfa;
  dfa.starts_ = {0};
  for (char32_t digit = '0'; digit <= '9' + 1; ++digit) {
    dfa.starts_.push_back(digit);
  }
  // State r: what was read leaves r. Another state: something else than digits was read.
  for (std::uint32_t rest = 0; rest <= divisor; ++rest) {
    dfa.ends_.push_back(rest == 0);
    dfa.next_.push_back(divisor);
    for (std::uint32_t digit = 0; digit < 10; ++digit) {
      dfa.next_.push_back(rest == divisor ? divisor : (rest * 10 + digit) % divisor);
    }
    dfa.next_.push_back(divisor);
  }
  return dfa.Minimized(work);
}

// By refinement (Moore): states are told apart by where their characters lead, until none is.
Result<CharDfa> CharDfa::Minimized(SourceWork& work) const {
  const std::size_t parts = starts_.size();
  std::vector<std::uint32_t> classes(ends_.begin(), ends_.end());
  std::map<std::vector<std::uint32_t>, std::uint32_t> known;
  for (std::size_t before = 0; before != known.size() || before == 0;) {
    ASHLAR_TRY(work.Take(next_.size()));
    before = known.size();
    known.clear();
    std::vector<std::uint32_t> finer;
    for (std::uint32_t state = 0; state < ends_.size(); ++state) {
      std::vector<std::uint32_t> ways = {classes[state]};
      for (std::size_t part = 0; part < parts; ++part) {
        ways.push_back(classes[Next(state, part)]);
      }
      // Numbered as they come, so that the first state is the first again.
      finer.push_back(known.try_emplace(std::move(ways), static_cast<std::uint32_t>(known.size()))
                          .first->second);
    }
    classes = std::move(finer);
  }
  CharDfa minimized;
  minimized.starts_ = starts_;
  minimized.next_.resize(known.size() * parts);
  minimized.ends_.resize(known.size());
  for (std::uint32_t state = 0; state < ends_.size(); ++state) {
    minimized.ends_[classes[state]] = ends_[state];
    for (std::size_t part = 0; part < parts; ++part) {
      minimized.Next(classes[state], part) = classes[Next(state, part)];
    }
  }
  return minimized;
}

Result<CharDfa> Both(const CharDfa& a, const CharDfa& b, SourceWork& work) {
  CharDfa both;
  both.starts_.clear();
  std::ranges::set_union(a.starts_, b.starts_, std::back_inserter(both.starts_));
  const auto parts_in = [&both](const CharDfa& dfa) {
    std::vector<std::size_t> parts;
    for (const char32_t start : both.starts_) {
      parts.push_back(static_cast<std::size_t>(std::ranges::upper_bound(dfa.starts_, start) -
                                               dfa.starts_.begin()) -
                      1);
    }
    return parts;
  };
  const std::vector<std::size_t> parts_a = parts_in(a);
  const std::vector<std::size_t> parts_b = parts_in(b);
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> known = {{{0, 0}, 0}};
  std::vector<std::pair<std::uint32_t, std::uint32_t>> order = {{0, 0}};
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (order.size() > CharDfa::kMaxStates) {
      return TooManyStates();
    }
    ASHLAR_TRY(work.Take(both.starts_.size()));
    const auto [in_a, in_b] = order[i];
    both.ends_.push_back(a.ends_[in_a] && b.ends_[in_b]);
    for (std::size_t part = 0; part < both.starts_.size(); ++part) {
      const std::pair next = {a.Next(in_a, parts_a[part]), b.Next(in_b, parts_b[part])};
      const auto [place, is_new] =
          known.try_emplace(next, static_cast<std::uint32_t>(order.size()));
      if (is_new) {
        order.push_back(next);
      }
      both.next_.push_back(place->second);
    }
  }
  return both;
}

CharDfa CharDfa::Others() const {
  CharDfa others = *this;
  others.ends_.flip();
  return others;
}

bool CharDfa::Matches(std::string_view utf8) const {
  std::uint32_t state = 0;
  for (std::size_t at = 0; at < utf8.size();) {
    const std::optional<char32_t> code = NextChar(utf8, at);
    if (!code) {
      return false;
    }
    const auto part = std::ranges::upper_bound(starts_, *code) - starts_.begin() - 1;
    state = Next(state, static_cast<std::size_t>(part));
  }
  return ends_[state];
}

std::vector<bool> CharDfa::Reaching() const {
  std::vector<std::vector<std::uint32_t>> into(ends_.size());
  for (std::size_t i = 0; i < next_.size(); ++i) {
    into[next_[i]].push_back(static_cast<std::uint32_t>(i / starts_.size()));
  }
  std::vector<bool> reaching = ends_;
  std::vector<std::uint32_t> open;
  for (std::uint32_t state = 0; state < ends_.size(); ++state) {
    if (ends_[state]) {
      open.push_back(state);
    }
  }
  while (!open.empty()) {
    const std::uint32_t state = open.back();
    open.pop_back();
    for (const std::uint32_t from : into[state]) {
      if (!reaching[from]) {
        reaching[from] = true;
        open.push_back(from);
      }
    }
  }
  return reaching;
}

bool CharDfa::matches_nothing() const {
  return !Reaching()[0];
}

CharNfa CharDfa::AsNfa() const {
  const std::vector<bool> reaching = Reaching();
  CharNfa nfa;
  nfa.end = static_cast<std::uint32_t>(ends_.size());
  nfa.states = nfa.end + 1;
  std::map<std::uint32_t, std::vector<CharRange>> by_target;
  for (std::uint32_t state = 0; state < ends_.size(); ++state) {
    by_target.clear();
    for (std::size_t part = 0; part < starts_.size(); ++part) {
      if (const std::uint32_t to = Next(state, part); reaching[to]) {
        const char32_t end = part + 1 < starts_.size() ? starts_[part + 1] : CharSet::kLargest + 1;
        by_target[to].push_back({starts_[part], end - 1});
      }
    }
    for (const auto& [to, ranges] : by_target) {
      nfa.edges.push_back(
          {.from = state, .to = to, .kind = CharNfa::Kind::kRead, .set = CharSet(ranges)});
    }
    if (ends_[state]) {
      nfa.edges.push_back({.from = state, .to = nfa.end, .kind = CharNfa::Kind::kSkip, .set = {}});
    }
  }
  return nfa;
}

CharLengths LengthsOf(const CharNfa& nfa) {
  // Edges by the state at one of their ends, and the states that they lead to from `first`.
  using Ends = std::vector<std::vector<std::uint32_t>>;
  Ends out(nfa.states);
  Ends into(nfa.states);
  for (std::uint32_t i = 0; i < nfa.edges.size(); ++i) {
    out[nfa.edges[i].from].push_back(i);
    into[nfa.edges[i].to].push_back(i);
  }
  const auto reached = [&nfa](std::uint32_t first, const Ends& ends, auto other_end) {
    std::vector<bool> known(nfa.states);
    std::vector<std::uint32_t> open = {first};
    known[first] = true;
    while (!open.empty()) {
      const std::uint32_t state = open.back();
      open.pop_back();
      for (const std::uint32_t i : ends[state]) {
        if (const std::uint32_t next = nfa.edges[i].*other_end; !known[next]) {
          known[next] = true;
          open.push_back(next);
        }
      }
    }
    return known;
  };
  const std::vector<bool> begun = reached(nfa.start, out, &CharNfa::Edge::to);
  const std::vector<bool> ending = reached(nfa.end, into, &CharNfa::Edge::from);
  // Between the start and the end, a state is looked at when all that lead to it were.
  std::vector<std::uint32_t> waits_for(nfa.states);
  for (const CharNfa::Edge& edge : nfa.edges) {
    waits_for[edge.to] += begun[edge.from] && ending[edge.to];
  }
  std::vector<CharLengths> lengths(nfa.states, {.min = kUnbounded, .max = 0});
  std::vector<std::uint32_t> open;
  if (waits_for[nfa.start] == 0) {
    lengths[nfa.start] = {0, 0};
    open.push_back(nfa.start);
  }
  while (!open.empty()) {
    const std::uint32_t state = open.back();
    open.pop_back();
    if (state == nfa.end) {
      return lengths[state];
    }
    for (const std::uint32_t i : out[state]) {
      const CharNfa::Edge& edge = nfa.edges[i];
      if (!ending[edge.to]) {
        continue;
      }
      const std::uint32_t more = edge.kind == CharNfa::Kind::kRead ? 1 : 0;
      CharLengths& to = lengths[edge.to];
      to.min = std::min(to.min, lengths[state].min + more);
      to.max = std::max(to.max, lengths[state].max + more);
      if (--waits_for[edge.to] == 0) {
        open.push_back(edge.to);
      }
    }
  }
  return {};
}

std::uint32_t StatesWithin(const CharNfa& nfa, std::uint32_t characters) {
  std::vector<std::vector<const CharNfa::Edge*>> out(nfa.states);
  for (const CharNfa::Edge& edge : nfa.edges) {
    out[edge.from].push_back(&edge);
  }
  std::vector<std::uint32_t> lengths(nfa.states, kUnbounded);
  lengths[nfa.start] = 0;
  std::deque<std::uint32_t> open = {nfa.start};  // in order of their lengths
  while (!open.empty()) {
    const std::uint32_t state = open.front();
    open.pop_front();
    for (const CharNfa::Edge* const edge : out[state]) {
      const bool reads = edge->kind == CharNfa::Kind::kRead;
      const std::uint32_t length = lengths[state] + (reads ? 1 : 0);
      if (length < lengths[edge->to]) {
        lengths[edge->to] = length;
        reads ? open.push_back(edge->to) : open.push_front(edge->to);
      }
    }
  }
  return static_cast<std::uint32_t>(
      std::ranges::count_if(lengths, [&](std::uint32_t each) { return each < characters; }));
}

void Draw(Builder& builder, StateId from, const CharNfa& nfa, const DrawChars& chars, StateId to) {
  std::vector<StateId> states(nfa.states);
  for (StateId& state : states) {
    state = builder.AddState();
  }
  builder.Skip(from, states[nfa.start]);
  builder.Skip(states[nfa.end], to);
  for (const CharNfa::Edge& edge : nfa.edges) {
    if (edge.kind == CharNfa::Kind::kRead) {
      chars(states[edge.from], edge.set, states[edge.to]);
    } else {
      CHECK(edge.kind == CharNfa::Kind::kSkip);
      builder.Skip(states[edge.from], states[edge.to]);
    }
  }
}

}  // namespace ashlar::grammar
