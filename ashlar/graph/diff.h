// What two networks share, down to the stored bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ashlar/graph/network.h"

namespace ashlar {

// How a node of A and a node of B compare.
enum class NodeChange : std::uint8_t {
  kSame,     // block, overlays and slice alike: computed together when their inputs meet
  kChanged,  // stand at the same place, with another block, overlays or slice
  kOnlyInA,
  kOnlyInB,
};

struct NodeDiff {
  NodeChange change;
  int a = -1, b = -1;  // nodes; -1 where there is none
  std::string name_a, name_b;
  std::string kind;
  // kChanged: what differs ("tensors down, up", "slice channels 576 of 768", "overlays").
  std::string what;
};

struct Shared {
  std::uint64_t both = 0, only_a = 0, only_b = 0;
};

struct DiffReport {
  bool same = false;            // one digest
  std::vector<NodeDiff> nodes;  // in order; a longest common subsequence of alike nodes is matched
  Shared blocks;                // distinct blocks
  Shared tensors;               // distinct tensors
  Shared bytes;                 // distinct stored bytes of their weights
};

// Requires: both validated.
DiffReport Diff(const Network& a, const Network& b);

// For a terminal; ends with a newline. Runs of alike nodes are folded.
std::string DescribeDiff(const DiffReport& report, std::string_view name_a,
                         std::string_view name_b);
Json ToJson(const DiffReport& report);

}  // namespace ashlar
