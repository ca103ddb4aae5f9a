#include "ashlar/server/memory/budget_follower.h"

#include <algorithm>

namespace ashlar {

FollowedBudget FollowMemory(const FollowPace& pace, const FollowedBudget& before,
                            const MemoryReadings& readings, std::uint64_t machine,
                            std::uint64_t least, std::int64_t now) {
  std::uint64_t limit = readings.limit.value_or(machine);
  if (machine != 0) {
    limit = std::min(limit, machine);
  }
  const auto most = static_cast<std::uint64_t>(static_cast<double>(limit) * pace.share_of_limit);
  const std::uint64_t stalled = readings.stalled.value_or(0);
  if (before.bytes == 0) {
    return {.bytes = most, .looked_at = now, .calm_since = now, .stalled = stalled};
  }
  FollowedBudget next = before;
  if (most < next.bytes) {
    next.bytes = most;
    next.calm_since = now;
  }
  const std::int64_t elapsed = now - before.looked_at;
  if (elapsed < pace.look) {
    return next;
  }
  // A counter that went back is another group's.
  const std::uint64_t waited = stalled - std::min(stalled, before.stalled);
  const double pressure = static_cast<double>(waited) / static_cast<double>(elapsed);
  next.looked_at = now;
  next.stalled = stalled;
  if (pressure >= pace.pressure) {
    // (What it does not use it cannot give.)
    const std::uint64_t used =
        readings.resident == 0 ? next.bytes : std::min(next.bytes, readings.resident);
    next.bytes = std::max(used - used / 8, std::min(next.bytes, least));
  }
  if (pressure > pace.calm) {
    next.calm_since = now;
  } else if (now - next.calm_since >= pace.quiet) {
    next.bytes = std::min(most, next.bytes + std::max<std::uint64_t>(most / 16, 1));
  }
  return next;
}

}  // namespace ashlar
