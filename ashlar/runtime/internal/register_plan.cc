#include "ashlar/runtime/internal/register_plan.h"

#include <algorithm>

namespace ashlar::internal {

RegisterPlan PlanRegisters(std::span<const std::vector<int>> sources,
                           std::span<const std::int64_t> widths) {
  constexpr std::int64_t kLine = 16;  // floats in a cache line
  struct Live {
    std::int64_t begin, end;
    std::size_t last_reader;
  };
  std::vector<std::size_t> last_reader(sources.size());
  for (std::size_t i = 0; i < sources.size(); ++i) {
    last_reader[i] = i;
    for (const int source : sources[i]) {
      last_reader[source] = i;
    }
  }
  RegisterPlan plan{.offset = std::vector<std::int64_t>(sources.size(), -1)};
  std::vector<Live> live;  // by begin
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (widths[i] == 0) {
      continue;
    }
    // What node i reads is still needed while its value is written.
    std::erase_if(live, [&](const Live& place) { return place.last_reader < i; });
    const std::int64_t size = (widths[i] + kLine - 1) / kLine * kLine;
    std::int64_t begin = 0;
    auto next = live.begin();
    while (next != live.end() && next->begin < begin + size) {
      begin = next->end;
      ++next;
    }
    live.insert(next, {begin, begin + size, last_reader[i]});
    plan.offset[i] = begin;
    plan.floats = std::max(plan.floats, begin + size);
  }
  return plan;
}

}  // namespace ashlar::internal
