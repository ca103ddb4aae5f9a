#include "ashlar/runtime/internal/step_merge.h"

#include <algorithm>
#include <utility>

namespace ashlar::internal {
namespace {

std::vector<MergeGroup> MergeOne(std::vector<MergeGroup> merged,
                                 const std::vector<MergeNode>& nodes, std::uint32_t network) {
  const std::size_t rows = merged.size() + 1;
  const std::size_t columns = nodes.size() + 1;
  // best[i][j]: the largest weight that can meet of merged[i..] and nodes[j..].
  std::vector<std::uint64_t> best(rows * columns, 0);
  const auto at = [&](std::size_t i, std::size_t j) -> std::uint64_t& {
    return best[i * columns + j];
  };
  for (std::size_t i = merged.size(); i-- > 0;) {
    for (std::size_t j = nodes.size(); j-- > 0;) {
      at(i, j) = std::max(at(i + 1, j), at(i, j + 1));
      if (merged[i].node.meeting == nodes[j].meeting) {
        at(i, j) = std::max(at(i, j), at(i + 1, j + 1) + nodes[j].weight);
      }
    }
  }
  std::vector<MergeGroup> result;
  result.reserve(merged.size() + nodes.size());
  std::size_t i = 0, j = 0;
  while (i < merged.size() || j < nodes.size()) {
    const MergeMember member{network, static_cast<std::uint32_t>(j)};
    if (i < merged.size() && j < nodes.size() && merged[i].node.meeting == nodes[j].meeting &&
        at(i, j) == at(i + 1, j + 1) + nodes[j].weight) {
      result.push_back(std::move(merged[i++]));
      result.back().members.push_back(member);
      ++j;
    } else if (i < merged.size() && at(i, j) == at(i + 1, j)) {
      result.push_back(std::move(merged[i++]));
    } else {
      result.push_back({nodes[j], {member}});
      ++j;
    }
  }
  return result;
}

}  // namespace

std::vector<MergeGroup> MergeGraphs(std::span<const std::vector<MergeNode>> networks) {
  std::vector<MergeGroup> merged;
  for (std::uint32_t network = 0; network < networks.size(); ++network) {
    merged = MergeOne(std::move(merged), networks[network], network);
  }
  return merged;
}

}  // namespace ashlar::internal
