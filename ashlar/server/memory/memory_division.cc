#include "ashlar/server/memory/memory_division.h"

#include <algorithm>

namespace ashlar::internal {
namespace {

// Needs go by steps, so that a page more or less moves no weights.
constexpr std::uint64_t kStateStep = 4 << 20;
constexpr std::uint64_t kOtherStep = 1 << 20;

std::uint64_t Less(std::uint64_t from, std::uint64_t bytes) {
  return from - std::min(from, bytes);
}

std::uint64_t Stepped(std::uint64_t bytes, std::uint64_t step) {
  return (bytes + step - 1) / step * step;
}

// Of those that nobody has used since `before`.
std::optional<std::size_t> LeastLatelyUsed(const MemoryDemand& demand, std::int64_t before) {
  std::optional<std::size_t> chosen;
  for (std::size_t i = 0; i < demand.idle.size(); ++i) {
    const IdleNetwork& network = demand.idle[i];
    if (network.bytes > 0 && network.idle_since <= before &&
        (!chosen || network.idle_since < demand.idle[*chosen].idle_since)) {
      chosen = i;
    }
  }
  return chosen;
}

}  // namespace

void HeldNeed::See(std::uint64_t wanted, std::int64_t now, std::int64_t span) {
  recent = std::max(recent, wanted);
  bytes = std::max(bytes, wanted);
  if (now - begun >= span) {
    bytes = recent;
    recent = wanted;
    begun = now;
  }
}

MemoryDivision DivideMemory(const MemoryDemand& demand, const DivisionPace& pace,
                            const DivisionHistory& before, std::int64_t now) {
  MemoryDivision division{.history = before};
  HeldNeed& other = division.history.other;
  HeldNeed& state = division.history.state;
  // What is wanted of state, by those that are there; more may be remembered.
  const std::uint64_t needed =
      std::max(std::min(demand.wanted_pages, demand.most_pages), demand.held_pages);
  // What is spare is no need; while it is there, there is no room for anything else.
  other.See(Stepped(Less(demand.other_bytes, demand.spare_bytes), kOtherStep), now,
            pace.release_after);
  state.See(std::max(std::min(Stepped(needed, kStateStep), demand.most_pages), demand.held_pages),
            now, pace.release_after);
  const std::uint64_t most_wanted = std::min(demand.weights.all, demand.most_weights);
  const std::uint64_t spared = std::min(demand.spare_bytes, demand.other_bytes);
  division.release_spare =
      spared > 0 && Less(demand.budget, other.bytes + spared) <
                        std::max(most_wanted, demand.weights.floor) + state.bytes;
  const std::uint64_t room =
      Less(demand.budget, other.bytes + (division.release_spare ? 0 : spared));
  division.least_bytes = other.bytes + demand.weights.floor + needed;
  division.most_weights = std::min(Less(room, needed), demand.most_weights);
  std::uint64_t for_weights = Less(room, state.bytes);
  if (for_weights < demand.weights.floor) {  // memories give way
    for_weights = std::min(Less(room, needed), demand.weights.floor);
  }
  division.full = for_weights < demand.weights.floor;
  for_weights = std::min(for_weights, std::max(demand.most_weights, demand.weights.floor));
  if (for_weights < demand.weights.all) {
    division.unload = LeastLatelyUsed(demand, division.full ? now : now - pace.unload_after);
  }
  std::uint64_t weights = std::clamp(for_weights, demand.weights.floor,
                                     std::max(demand.weights.floor, demand.weights.all));
  if (weights < demand.weights_now) {
    division.history.shrunk_at = now;
  } else if (weights > demand.weights_now) {
    const bool early = now - before.shrunk_at < pace.grow_after;
    const bool little =
        weights - demand.weights_now < pace.least_growth && weights < demand.weights.all;
    if (early || little) {
      weights = std::max(demand.weights_now, demand.weights.floor);
    }
  }
  division.weight_bytes = weights;
  // Memory that weights do not take yet is not given to pages: it will be wanted back.
  const std::uint64_t kept = std::max(weights, std::min(for_weights, demand.weights.all));
  division.page_bytes = std::max(std::min(Less(room, kept), demand.most_pages), demand.held_pages);
  division.most_pages =
      std::max(std::min(Less(room, demand.weights.floor), demand.most_pages), division.page_bytes);
  return division;
}

}  // namespace ashlar::internal
