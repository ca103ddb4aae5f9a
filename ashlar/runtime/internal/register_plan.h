// Where each node's value lies in a row's registers: a place is used again once its last reader
// has run, so a chain of any depth needs two widths per row.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ashlar::internal {

struct RegisterPlan {
  std::vector<std::int64_t> offset;  // in floats, of each node's value; -1: it has none
  std::int64_t floats = 0;           // of a row's registers, whole cache lines
};

// `sources[i]` are the nodes that node i reads or carries, `widths[i]` the floats of its value (0:
// it needs no place). A node's place overlaps no place that is still read when it is written.
RegisterPlan PlanRegisters(std::span<const std::vector<int>> sources,
                           std::span<const std::int64_t> widths);

}  // namespace ashlar::internal
