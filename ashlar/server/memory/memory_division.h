// Divides the memory of the process among weights, state and all else: a pure function of the
// budget and of what there is, tested as a table.
//
// When memory is short, cached pages that nobody holds go first, then what else is kept in case it
// is asked for again (SpareMemory), then networks that nobody has used for a while, then levels of
// weights; at last networks that nobody uses just now. New requests are refused only when all
// weights are at their floor (2 bits of each number) and the state of the requests that are there
// has no room beside them. When memory returns, levels come back first: what is left is for cached
// pages.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>

namespace ashlar::internal {

// Bytes of the weights of some networks, shared ones counted once.
struct WeightBytes {
  std::uint64_t floor = 0;  // with the fewest levels
  std::uint64_t all = 0;    // with all
  friend bool operator==(const WeightBytes&, const WeightBytes&) = default;
};

// A loaded network that may go: not pinned, nobody uses it or waits for it.
struct IdleNetwork {
  std::int64_t idle_since = 0;  // microseconds
  std::uint64_t bytes = 0;      // that go with it
};

struct MemoryDemand {
  std::uint64_t budget = 0;        // of the process
  std::uint64_t other_bytes = 0;   // program, workspace, text: it cannot be given
  std::uint64_t spare_bytes = 0;   // of these, what can be let go of at once
  std::uint64_t held_pages = 0;    // state that running requests hold now
  std::uint64_t wanted_pages = 0;  // state that those that are there may come to hold
  std::uint64_t most_pages = 0;    // for state there may be no more than this
  WeightBytes weights;             // of the loaded networks
  // For weights there may be no more than this, or than their floor.
  std::uint64_t most_weights = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t weights_now = 0;  // what they have of it
  std::span<const IdleNetwork> idle;
};

struct DivisionPace {
  std::int64_t grow_after = 500'000;      // microseconds without shrinking, before levels return
  std::int64_t unload_after = 5'000'000;  // a network is idle when nobody used it for so long
  // What was not wanted for so long, and at most twice as long, is given to weights.
  std::int64_t release_after = 10'000'000;
  std::uint64_t least_growth = 1 << 20;  // bytes, except for the last ones
};

// A need that is believed at once when it grows, and when it falls after a while in which it was
// never larger: the most of the span of time that runs, and of the one before it.
struct HeldNeed {
  std::uint64_t bytes = 0;   // what is believed
  std::uint64_t recent = 0;  // the most since `begun`
  std::int64_t begun = 0;
  void See(std::uint64_t wanted, std::int64_t now, std::int64_t span);
};

// What a division remembers of those before it.
struct DivisionHistory {
  HeldNeed other;
  HeldNeed state;
  std::int64_t shrunk_at = 0;  // when weights last went
};

struct MemoryDivision {
  std::uint64_t page_bytes = 0;       // budget of state
  std::uint64_t most_pages = 0;       // that it may grow to, with all weights at their floor
  std::uint64_t weight_bytes = 0;     // of weights: levels go, or return, until they take no more
  std::uint64_t least_bytes = 0;      // the budget at which nobody need be refused
  std::uint64_t most_weights = 0;     // that there could be
  bool release_spare = false;         // all of it; then ask again
  std::optional<std::size_t> unload;  // index of `idle`; then ask again
  bool full = false;                  // new requests are refused
  DivisionHistory history;            // for the next one
};

// `now` in microseconds.
MemoryDivision DivideMemory(const MemoryDemand& demand, const DivisionPace& pace,
                            const DivisionHistory& before, std::int64_t now);

}  // namespace ashlar::internal
