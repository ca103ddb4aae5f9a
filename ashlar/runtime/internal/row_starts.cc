#include "ashlar/runtime/internal/row_starts.h"

#include <algorithm>

namespace ashlar::internal {

void PlanRowStarts(std::span<const std::vector<int>> sources,
                   std::span<const std::int64_t> cached_state,
                   std::span<const std::int64_t> cached_value, std::int64_t output_from,
                   std::span<NodeStart> starts) {
  std::fill(starts.begin(), starts.end(), NodeStart{});
  starts.back().compute = output_from;
  // Readers come after what they read: when a node's turn comes, they have all spoken.
  for (std::size_t i = starts.size(); i-- > 0;) {
    starts[i].compute = std::min(starts[i].compute, cached_state[i]);
    for (const int source : sources[i]) {
      NodeStart& start = starts[source];
      start.compute = std::min(start.compute, std::max(starts[i].compute, cached_value[source]));
      start.value = std::min(start.value, starts[i].compute);
    }
  }
}

}  // namespace ashlar::internal
