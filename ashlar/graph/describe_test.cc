// Descriptions and diffs that people read.
#include "ashlar/graph/describe.h"

#include <algorithm>

#include "ashlar/graph/diff.h"
#include "ashlar/graph/internal/text_table.h"
#include "ashlar/graph/testing_fixture.h"

namespace ashlar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ToyNetwork;

class DescribeTest : public testing::GraphTest {
 protected:
  std::vector<std::string> Names(const Network& network, Fold fold) {
    std::vector<std::string> names;
    for (const NodeRow& row : DescribeRows(network, fold)) {
      names.push_back(row.name);
    }
    return names;
  }
  Network base_ = ToyNetwork(*store_, {.layers = 4});
};

TEST(TextTable, ColumnsAreAlignedAndLinesHaveNoSpacesAtTheirEnds) {
  const std::vector<std::vector<std::string>> rows = {{"a", "bcd", ""}, {"efg", "h", "i"}};
  EXPECT_EQ(internal::AlignColumns(rows), "a    bcd\nefg  h    i\n");
}

TEST(TextTable, BytesHaveThreeDigits) {
  EXPECT_EQ(internal::BytesForPeople(0), "0 B");
  EXPECT_EQ(internal::BytesForPeople(999), "999 B");
  EXPECT_EQ(internal::BytesForPeople(1000), "1.00 kB");
  EXPECT_EQ(internal::BytesForPeople(25'249'999), "25.2 MB");
  EXPECT_EQ(internal::BytesForPeople(999'499), "999 kB");
  EXPECT_EQ(internal::BytesForPeople(999'999), "1.00 MB");
  EXPECT_EQ(internal::BytesForPeople(~std::uint64_t{0}), "18.4 EB");
}

TEST_F(DescribeTest, LayersThatAreAlikeAreFolded) {
  EXPECT_THAT(Names(base_, Fold::kYes),
              ElementsAre("embed", "layers.0-3.attention", "layers.0-3.mlp", "norm", "head"));
  EXPECT_EQ(Names(base_, Fold::kNo).size(), base_.nodes.size());
}

TEST_F(DescribeTest, ALayerThatDiffersBreaksTheFold) {
  EXPECT_THAT(Names(Derived(base_, "slice --channels 75% --layers 2"), Fold::kYes),
              ElementsAre("embed", "layers.0-1.attention", "layers.0-1.mlp", "layers.2.attention",
                          "layers.2.mlp", "layers.3.attention", "layers.3.mlp", "norm", "head"));
}

TEST_F(DescribeTest, ARowSaysWhatItsNodesAre) {
  const std::vector<NodeRow> rows = DescribeRows(
      Derived(base_, "slice --channels 75% then rewire --form parallel --layers 1-3"), Fold::kYes);
  EXPECT_EQ(rows[0].shape, "96 ids -> 64");
  EXPECT_EQ(rows[0].reads, "tokens");
  EXPECT_EQ(rows[1].state, "64 floats");
  EXPECT_EQ(rows[1].attributes, "heads=4 kv_heads=2 head_dim=16");
  EXPECT_EQ(rows[4].name, "layers.1-3.mlp");
  EXPECT_EQ(rows[4].shape, "64 -> 64");
  EXPECT_EQ(rows[4].attributes, "channels=96 of 128");
  EXPECT_EQ(rows[4].reads, "2 back");
  EXPECT_EQ(rows[4].carries, "previous");
  EXPECT_EQ(rows[4].block, "3 blocks");
  EXPECT_EQ(rows[4].codecs, "f32.1");
  EXPECT_EQ(rows[4].bytes, 3u * 4u * (64 + 2 * 64 * 128));
  EXPECT_EQ(rows[6].shape, "64 -> 96 logits");
}

TEST_F(DescribeTest, SharedBlocksAndStateAreShown) {
  Network network = Derived(base_, "share --layers 1-2");
  network.nodes[5].state_of = 3;
  const std::vector<NodeRow> rows = DescribeRows(network, Fold::kNo);
  EXPECT_EQ(rows[5].state, "of layers.1.attention");
  EXPECT_EQ(rows[6].block, network.nodes[4].block.Short());
  EXPECT_EQ(DescribeRows(Derived(base_, "share --layers 0-3"), Fold::kYes)[1].block,
            base_.nodes[1].block.Short());
}

TEST_F(DescribeTest, CombinationsAreWrittenOut) {
  base_.nodes[4].inputs["x"] = {{0, 0.5}, {2, 1.0}, {3, 2.0}};
  EXPECT_EQ(DescribeRows(base_, Fold::kNo)[4].reads, "0.5 x embed + 2 back + 2 x previous");
}

TEST_F(DescribeTest, TheTableHasALinePerRow) {
  const std::string table = DescribeTable(base_, Fold::kYes);
  EXPECT_TRUE(table.starts_with("node  name "));
  EXPECT_THAT(table, HasSubstr("\n1..7  layers.0-3.attention  64 -> 64         4 blocks"));
  EXPECT_EQ(std::ranges::count(table, '\n'), 1 + 5);
}

TEST_F(DescribeTest, GraphsHaveANodeAndItsEdgesPerNode) {
  Network network = ToyNetwork(*store_, {.layers = 2});
  network.nodes[3].state_of = 1;
  network.nodes[4].carry = {{3, 0.5}};
  const std::string dot = DescribeDot(network);
  EXPECT_TRUE(dot.starts_with("digraph network {\n"));
  EXPECT_TRUE(dot.ends_with("}\n"));
  EXPECT_THAT(dot, HasSubstr("  n1 [label=\"layers.0.attention\\n64 -> 64\\n"));
  EXPECT_THAT(dot, HasSubstr("  n0 -> n1 [style=solid];\n  n0 -> n1 [style=dashed];\n"));
  EXPECT_THAT(dot, HasSubstr("  n3 -> n4 [style=dashed, label=\"x 0.5\"];\n"));
  EXPECT_THAT(dot, HasSubstr("  n1 -> n3 [style=dotted, label=\"state\"];\n"));
  const std::string mermaid = DescribeMermaid(network);
  EXPECT_TRUE(mermaid.starts_with("flowchart TD\n"));
  EXPECT_THAT(mermaid, HasSubstr("  n0[\"embed<br/>96 ids -> 64<br/>"));
  EXPECT_THAT(mermaid, HasSubstr("  n0 --> n1\n  n0 -.-> n1\n"));
  EXPECT_THAT(mermaid, HasSubstr("  n3 -.->|\"x 0.5\"| n4\n"));
  EXPECT_THAT(mermaid, HasSubstr("  n1 ==>|\"state\"| n3\n"));
}

TEST_F(DescribeTest, TheJsonHasEveryNode) {
  const Json json = DescribeJson(Derived(base_, "slice --channels 75%"));
  EXPECT_EQ(json.Find("nodes")->array()->size(), base_.nodes.size());
  const Json& mlp = (*json.Find("nodes")->array())[2];
  EXPECT_EQ(*mlp.Find("name"), Json("layers.0.mlp"));
  EXPECT_EQ(*mlp.Find("attributes")->Find("channels"), Json(96));
  EXPECT_EQ(WriteJson(*mlp.Find("carry")), "[[1,1]]");
  EXPECT_NE(mlp.Find("tensors")->Find("down"), nullptr);
}

// ---- Diffs

class DiffTest : public DescribeTest {
 protected:
  // One letter per node: = same, ~ changed, - only in A, + only in B.
  std::string Changes(const DiffReport& report) {
    std::string changes;
    for (const NodeDiff& node : report.nodes) {
      changes += "=~-+"[static_cast<int>(node.change)];
    }
    return changes;
  }
};

TEST_F(DiffTest, ANetworkIsTheSameAsItself) {
  const DiffReport report = Diff(base_, base_);
  EXPECT_TRUE(report.same);
  EXPECT_EQ(Changes(report), "===========");
  EXPECT_EQ(report.blocks.both, base_.blocks.size());
  EXPECT_EQ(report.bytes.both, WeightBytes(base_));
  EXPECT_EQ(report.bytes.only_a + report.bytes.only_b, 0u);
}

TEST_F(DiffTest, DroppedAndRepeatedLayersAreFoundWhereverTheyStand) {
  const DiffReport dropped = Diff(base_, Derived(base_, "drop --layers 1"));
  EXPECT_FALSE(dropped.same);
  EXPECT_EQ(Changes(dropped), "===--======");
  EXPECT_EQ(dropped.nodes[5].name_a, "layers.2.attention");
  EXPECT_EQ(dropped.nodes[5].name_b, "layers.1.attention");
  EXPECT_EQ(dropped.bytes.both, WeightBytes(Derived(base_, "drop --layers 1")));
  EXPECT_EQ(Changes(Diff(Derived(base_, "drop --layers 1"), base_)), "===++======");
  const DiffReport repeated = Diff(base_, Derived(base_, "repeat --layers 1"));
  EXPECT_EQ(Changes(repeated), "=====++======");
  EXPECT_EQ(repeated.bytes.only_a + repeated.bytes.only_b, 0u);
}

TEST_F(DiffTest, AChangedNodeSaysWhatChanged) {
  const DiffReport sliced = Diff(base_, Derived(base_, "slice --channels 75% --layers 1"));
  EXPECT_EQ(Changes(sliced), "====~======");
  EXPECT_EQ(sliced.nodes[4].what, "slice none and channels 96");
  EXPECT_EQ(sliced.tensors.only_a + sliced.tensors.only_b, 0u);
  const DiffReport encoded =
      Diff(base_, Derived(base_, "encode --codec q8 --tensors layers.1.mlp.*"));
  EXPECT_EQ(encoded.nodes[4].what, "tensors down, up");
  EXPECT_EQ(encoded.tensors.only_a, 2u);
  EXPECT_EQ(encoded.bytes.only_a, 2u * 64 * 128 * 4);
  EXPECT_EQ(Changes(Diff(base_, ToyNetwork(*store_, {.layers = 4, .seed = 2}))), "~~~~~~~~~~~");
}

TEST_F(DiffTest, WhatIsRewiredIsTheSameNodesInAnotherNetwork) {
  const DiffReport report = Diff(base_, Derived(base_, "rewire --form parallel"));
  EXPECT_FALSE(report.same);
  EXPECT_EQ(Changes(report), "===========");
}

TEST_F(DiffTest, TheTextFoldsRuns) {
  const std::string text =
      DescribeDiff(Diff(base_, Derived(base_, "drop --layers 1")), "base", "short");
  EXPECT_THAT(text, HasSubstr("         both    only base  only short\n"));
  EXPECT_THAT(text, HasSubstr("=  embed .. layers.0.mlp"));
  EXPECT_THAT(text, HasSubstr("-  layers.1.attention .. layers.1.mlp"));
  EXPECT_THAT(text, HasSubstr("6 nodes\n"));
  const Json json = ToJson(Diff(base_, base_));
  EXPECT_EQ(*json.Find("same"), Json(true));
  EXPECT_EQ(json.Find("nodes")->array()->size(), base_.nodes.size());
}

}  // namespace
}  // namespace ashlar
