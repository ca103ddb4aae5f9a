// Follows what the system lets the process have: from readings to a budget, a pure step at a time.
//
// The budget is at most a part of the limit; it falls at once with the limit. While tasks wait for
// memory (PSI) it falls by an eighth each second, from what the process really has. It rises again
// in small steps, when for a while nobody has waited: one bad second costs ten good ones, so that
// two processes that follow each other's pressure come to rest.
#pragma once

#include <cstdint>
#include <optional>

#include "ashlar/server/memory/memory_readings.h"

namespace ashlar {

struct FollowPace {
  double share_of_limit = 0.9;      // the rest is for what the kernel charges besides
  double pressure = 0.10;           // share of the time in which tasks waited: too much
  double calm = 0.01;               // little enough
  std::int64_t look = 1'000'000;    // microseconds between two looks at the pressure
  std::int64_t quiet = 10'000'000;  // calm for so long before it rises
};

struct FollowedBudget {
  std::uint64_t bytes = 0;  // 0: not begun
  std::int64_t looked_at = 0;
  std::int64_t calm_since = 0;
  std::uint64_t stalled = 0;  // the reading at looked_at
};

// `least`: pressure takes no more than down to this, since what cannot be given would end nothing.
// No limit is above `machine`, bytes; 0: not known. `now` in microseconds.
FollowedBudget FollowMemory(const FollowPace& pace, const FollowedBudget& before,
                            const MemoryReadings& readings, std::uint64_t machine,
                            std::uint64_t least, std::int64_t now);

}  // namespace ashlar
