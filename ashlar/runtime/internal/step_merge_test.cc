#include "ashlar/runtime/internal/step_merge.h"

#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"

namespace ashlar::internal {
namespace {

// A network as a word: each letter is a block; capitals are large (weight 100), small ones 1.
std::vector<MergeNode> Graph(std::string_view word) {
  std::vector<MergeNode> nodes;
  for (const char letter : word) {
    nodes.push_back({static_cast<std::uint32_t>(letter), letter < 'a' ? 100u : 1u});
  }
  return nodes;
}

// The merged order as words: "A012" is block A, run once for networks 0, 1 and 2.
std::string Merged(std::initializer_list<std::string_view> words) {
  std::vector<std::vector<MergeNode>> graphs;
  for (const std::string_view word : words) {
    graphs.push_back(Graph(word));
  }
  std::string text;
  for (const MergeGroup& group : MergeGraphs(graphs)) {
    text += text.empty() ? "" : " ";
    text += static_cast<char>(group.node.meeting);
    for (const MergeMember& member : group.members) {
      text += std::to_string(member.network);
    }
  }
  return text;
}

TEST(StepMerge, OneNetworkKeepsItsOrder) {
  EXPECT_EQ(Merged({"eABh"}), "e0 A0 B0 h0");
}

TEST(StepMerge, EqualNetworksMeetEverywhere) {
  EXPECT_EQ(Merged({"eAh", "eAh"}), "e01 A01 h01");
}

TEST(StepMerge, ANetworkWithLayersLeftOutStillMeetsItsBase) {
  EXPECT_EQ(Merged({"eABCDh", "eADh"}), "e01 A01 B0 C0 D01 h01");
}

TEST(StepMerge, ANetworkWithARepeatedLayerStillMeetsItsBase) {
  const std::string merged = Merged({"eABCh", "eABBCh"});
  EXPECT_TRUE(merged == "e01 A01 B01 B1 C01 h01" || merged == "e01 A01 B1 B01 C01 h01") << merged;
}

TEST(StepMerge, AFineTuneMeetsItsBaseBelowAndPartsAbove) {
  EXPECT_EQ(Merged({"eABCDh", "eABXYh"}), "e01 A01 B01 C0 D0 X1 Y1 h01");
}

TEST(StepMerge, WhereOnlyOneMeetingIsPossibleTheHeavierBlocksMeet) {
  EXPECT_EQ(Merged({"aB", "Ba"}), "a0 B01 a1");
  EXPECT_EQ(Merged({"abcB", "Babc"}), "a0 b0 c0 B01 a1 b1 c1");
}

TEST(StepMerge, StrangersRunOneAfterTheOther) {
  EXPECT_EQ(Merged({"AB", "CD"}), "A0 B0 C1 D1");
}

TEST(StepMerge, ManyNetworksMeetWhereverTheyCan) {
  EXPECT_EQ(Merged({"eABCDh", "eADh", "eBDh", "eABCDh"}), "e0123 A013 B023 C03 D0123 h0123");
}

TEST(StepMerge, NothingIsMergedFromNothing) {
  EXPECT_TRUE(MergeGraphs({}).empty());
}

// For any networks: every node stands in one group, each network's nodes in their order, groups
// have equal blocks; and two networks meet with the largest weight that any pairing gives.
TEST(StepMerge, AnyMergedOrderIsACommonSupersequenceOfLeastWeight) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 300; ++round) {
    std::vector<std::vector<MergeNode>> graphs(1 + random() % 4);
    for (auto& graph : graphs) {
      graph.resize(random() % 8);
      for (MergeNode& node : graph) {
        const auto block = static_cast<std::uint32_t>(random() % 4);
        node = {block, 1 + block * block};
      }
    }
    const std::vector<MergeGroup> merged = MergeGraphs(graphs);
    std::vector<std::size_t> next(graphs.size(), 0);
    std::uint64_t met = 0;
    for (const MergeGroup& group : merged) {
      ASSERT_FALSE(group.members.empty());
      for (const MergeMember& member : group.members) {
        ASSERT_EQ(member.node, next[member.network]++);
        ASSERT_EQ(graphs[member.network][member.node].meeting, group.node.meeting);
      }
      met += (group.members.size() - 1) * group.node.weight;
    }
    for (std::size_t i = 0; i < graphs.size(); ++i) {
      ASSERT_EQ(next[i], graphs[i].size());
    }
    if (graphs.size() == 2) {
      // Every subset of the first network's nodes that is a subsequence of the second's.
      std::uint64_t best = 0;
      for (unsigned subset = 0; subset < 1u << graphs[0].size(); ++subset) {
        std::uint64_t weight = 0;
        std::size_t at = 0;
        bool found = true;
        for (std::size_t i = 0; i < graphs[0].size() && found; ++i) {
          if ((subset >> i & 1) == 0) {
            continue;
          }
          while (at < graphs[1].size() && graphs[1][at].meeting != graphs[0][i].meeting) {
            ++at;
          }
          found = at++ < graphs[1].size();
          weight += graphs[0][i].weight;
        }
        best = found ? std::max(best, weight) : best;
      }
      ASSERT_EQ(met, best);
    }
  }
}

}  // namespace
}  // namespace ashlar::internal
