#include "ashlar/runtime/internal/row_starts.h"

#include <algorithm>

namespace ashlar::internal {

void PlanRowStarts(std::span<const std::vector<int>> sources, std::span<const CachedRows> cached,
                   std::int64_t output_from, std::span<NodeStart> starts) {
  std::fill(starts.begin(), starts.end(), NodeStart{});
  starts.back().compute = output_from;
  // Readers come after what they read: when a node's turn comes, they have all spoken.
  for (std::size_t i = starts.size(); i-- > 0;) {
    std::int64_t& compute = starts[i].compute;
    compute = compute < cached[i].state ? compute - compute % cached[i].page : cached[i].state;
    for (const int source : sources[i]) {
      NodeStart& start = starts[source];
      start.compute = std::min(start.compute, std::max(starts[i].compute, cached[source].value));
      start.value = std::min(start.value, starts[i].compute);
    }
  }
}

}  // namespace ashlar::internal
