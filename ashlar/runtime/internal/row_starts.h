// From which position on each node of a sequence must be computed, given what is cached.
//
// A node is computed from the first position at which somebody needs it anew: its own state from
// where the cached pages end, its value from where a reader is computed and no boundary page has
// it. With c = cached positions of its state (infinite for a node that writes none), b = cached
// positions of its value, and s of its readers j:
//
//   s_i = min(c_i, min over j of max(s_j, b_i))         s_output = the first position whose logits
//                                                                  are wanted
//   v_i = min over j of s_j                             from here on its value must be at hand;
//                                                       [v_i, s_i) comes from boundary pages
// A carried state is there at the ends of its pages only: a node that has one is computed, if not
// from c, from the end of a page (s_i is rounded down to a multiple of its positions), and writes
// its state again.
// So a full hit recomputes the last row only; a hit on shared lower blocks computes the upper ones
// alone when boundary pages exist; and when they do not, it recomputes the lower ones against
// their cached state, which it need not write again.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace ashlar::internal {

inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

struct NodeStart {
  std::int64_t compute = kNever;  // s: first position that is computed
  std::int64_t value = kNever;    // v: first position whose value some reader wants
  std::int64_t first() const { return compute < value ? compute : value; }
  friend bool operator==(const NodeStart&, const NodeStart&) = default;
};

struct CachedRows {
  std::int64_t state = kNever;  // positions of its state that are cached; kNever: it writes none
  std::int64_t page = 1;        // of a carried state: positions of a page
  std::int64_t value = 0;       // positions of its value that are cached
};

// `sources[i]` are the nodes that node i reads or carries. The last node is the output. All spans
// have one entry per node.
void PlanRowStarts(std::span<const std::vector<int>> sources, std::span<const CachedRows> cached,
                   std::int64_t output_from, std::span<NodeStart> starts);

}  // namespace ashlar::internal
