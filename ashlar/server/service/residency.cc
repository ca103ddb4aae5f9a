#include "ashlar/server/service/residency.h"

#include <algorithm>
#include <optional>

namespace ashlar::internal {
ResidencyDecision DecideResidency(const ResidencyLimits& limits,
                                  std::span<const ResidencyView> networks, std::int64_t now,
                                  const WeightBytesOf& weight_bytes) {
  std::vector<std::size_t> resident;
  std::vector<std::size_t> pinned;
  std::vector<std::size_t> may_go;  // least lately used first
  std::optional<std::size_t> wanted;
  for (std::size_t i = 0; i < networks.size(); ++i) {
    const ResidencyView& network = networks[i];
    if (network.resident) {
      resident.push_back(i);
      if (network.pinned) {
        pinned.push_back(i);
      } else if (!network.loading) {
        may_go.push_back(i);
      }
    } else if (network.waiting > 0 &&
               (!wanted || network.wanted_since < networks[*wanted].wanted_since)) {
      wanted = i;
    }
  }
  std::ranges::stable_sort(may_go, {}, [&](std::size_t i) { return networks[i].last_used; });
  const auto idle = [&](std::size_t i) {
    return networks[i].users == 0 && networks[i].waiting == 0;
  };
  for (const std::size_t i : may_go) {
    if (limits.keep_alive >= 0 && idle(i) && now - networks[i].last_used >= limits.keep_alive) {
      return {ResidencyAction::kUnload, i, {}};
    }
  }
  if (!wanted) {
    return {};
  }
  const auto fits = [&](std::vector<std::size_t> others) {
    others.push_back(*wanted);
    return limits.weight_bytes == 0 || weight_bytes(others) <= limits.weight_bytes;
  };
  if (fits(resident)) {
    return {ResidencyAction::kLoad, *wanted, {}};
  }
  if (!fits(pinned)) {
    return {ResidencyAction::kRefuse, *wanted, {}};
  }
  const bool impatient = now - networks[*wanted].wanted_since >= limits.patience;
  // Those nobody uses go first; then, once it has waited long enough, the others stop taking in.
  std::vector<std::size_t> left = resident;
  std::vector<std::size_t> closed;
  for (const bool used : {false, true}) {
    for (const std::size_t i : may_go) {
      // What waits for a network that is closed does not use it.
      if ((networks[i].users > 0 || (networks[i].waiting > 0 && !impatient)) != used) {
        continue;
      }
      if (!used) {
        return {ResidencyAction::kUnload, i, {}};
      }
      std::erase(left, i);
      closed.push_back(i);
      if (fits(left)) {
        return {ResidencyAction::kNothing, 0, impatient ? closed : std::vector<std::size_t>{}};
      }
    }
  }
  return {};  // networks that are being loaded are in the way
}

}  // namespace ashlar::internal
