// Merges the graphs of several networks into one order in which equal blocks meet.
//
// A merged order is a supersequence of every network's nodes: each network's own order is kept, so
// every node still comes after what it reads. Where two networks have the same block, sliced and
// overlaid alike, they may meet in one group, which a step computes once for the rows of both.
// Which nodes meet is a weighted longest common subsequence (Wagner and Fischer's recurrence) with
// the blocks' bytes as weights; it never looks at positions, so a network with layers left out or
// repeated still meets its base. More than two networks are merged one after another.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ashlar::internal {

struct MergeNode {
  std::uint32_t meeting;  // nodes with equal numbers may meet
  std::uint64_t weight;   // what meeting saves; at least 1
};

struct MergeMember {
  std::uint32_t network;  // index into the list that was merged
  std::uint32_t node;
  friend bool operator==(const MergeMember&, const MergeMember&) = default;
};

struct MergeGroup {
  MergeNode node;
  std::vector<MergeMember> members;  // ascending networks, each at most once
};

// The groups in an order in which they can run. A pure function.
std::vector<MergeGroup> MergeGraphs(std::span<const std::vector<MergeNode>> networks);

}  // namespace ashlar::internal
