// Decides which networks are in memory: a pure function of the networks there are, who waits for
// them and what they take together.
//
// Networks that are waited for are loaded in the order in which they were first waited for. One
// that has no room takes that of networks that nobody uses, least lately used first. Where all are
// in use it waits; and when it has waited too long, those that are to go take nobody new in, so
// that steady traffic on some networks cannot keep another one out for ever.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace ashlar::internal {

struct ResidencyView {
  bool resident = false;  // loaded, or being loaded
  bool loading = false;
  bool pinned = false;
  std::int64_t users = 0;         // generations that run on it
  std::int64_t waiting = 0;       // generations that wait for it
  std::int64_t last_used = 0;     // microseconds
  std::int64_t wanted_since = 0;  // of the first of those that wait
};

struct ResidencyLimits {
  std::uint64_t weight_bytes = 0;     // 0: no limit
  std::int64_t keep_alive = -1;       // microseconds; < 0: for ever
  std::int64_t patience = 2'000'000;  // microseconds
};

enum class ResidencyAction : std::uint8_t {
  kNothing,
  kLoad,
  kUnload,  // nobody uses it
  kRefuse,  // it would not fit beside the pinned ones
};

struct ResidencyDecision {
  ResidencyAction action = ResidencyAction::kNothing;
  std::size_t index = 0;
  std::vector<std::size_t> closed;  // they take nobody new in, because another one waits too long
};

// Bytes of the weights of these networks, what they share counted once.
using WeightBytesOf = std::function<std::uint64_t(std::span<const std::size_t>)>;

// One thing to do; ask again when it is done.
ResidencyDecision DecideResidency(const ResidencyLimits& limits,
                                  std::span<const ResidencyView> networks, std::int64_t now,
                                  const WeightBytesOf& weight_bytes);

}  // namespace ashlar::internal
