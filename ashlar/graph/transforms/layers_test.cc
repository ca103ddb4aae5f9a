// What drop, keep, repeat, share, swap and stack do to the graph.
#include "ashlar/graph/testing_fixture.h"

namespace ashlar {
namespace {

using ::testing::HasSubstr;
using testing::MessageOf;
using testing::ToyNetwork;

// Layers 0 to 3 of the toy network are nodes 1 to 8; 0 is the embedding, 9 the norm, 10 the head.
class LayersTest : public testing::GraphTest {
 protected:
  LayersTest() : base_(ToyNetwork(*store_, {.layers = 4})) { Save(base_, "base"); }

  // Which layer of `base` each layer's attention comes from, as "0123".
  std::string Order(const Network& network, const Network& base) {
    std::string order;
    for (int layer = 0; layer < network.layers(); ++layer) {
      const Digest& block = network.nodes[1 + 2 * layer].block;
      for (int of = 0; of < base.layers(); ++of) {
        if (base.nodes[1 + 2 * of].block == block) {
          order += std::to_string(of);
        }
      }
    }
    return order;
  }
  std::string OrderAfter(const std::string& steps) { return Order(Derived(base_, steps), base_); }

  Network base_;
};

TEST_F(LayersTest, LayersComeOutInTheOrderAskedFor) {
  EXPECT_EQ(OrderAfter("drop --layers 1,2"), "03");
  EXPECT_EQ(OrderAfter("drop --layers 0-3"), "");
  EXPECT_EQ(OrderAfter("keep --layers 3,1"), "13");
  EXPECT_EQ(OrderAfter("repeat --layers 1"), "01123");
  EXPECT_EQ(OrderAfter("repeat --layers 1 --times 4"), "0111123");
  EXPECT_EQ(OrderAfter("repeat --layers 1-2,3"), "0123123");
  EXPECT_EQ(OrderAfter("repeat --layers 0,2"), "001223");
  EXPECT_EQ(OrderAfter("stack --ranges 2-3,0,0"), "2300");
  EXPECT_EQ(OrderAfter("share --layers 1-3"), "0111");
  EXPECT_EQ(OrderAfter("share --layers 0,1 --with 3"), "3323");
}

TEST_F(LayersTest, ARemovedNodesReadersReadWhatItCarries) {
  base_.nodes[3].carry = {{1, 0.25}, {2, 0.5}};
  base_.nodes[4].inputs["x"] = {{3, 2.0}};
  const Network derived = Derived(base_, "drop --nodes 3");
  EXPECT_EQ(derived.nodes[3].inputs.at("x"), (Combination{{1, 0.5}, {2, 1.0}}));
  EXPECT_EQ(derived.nodes[3].carry, (Combination{{1, 0.25}, {2, 0.5}}));
}

TEST_F(LayersTest, TermsThatMeetAfterADropAreSummed) {
  base_.nodes[9].inputs["x"] = {{6, 0.25}, {8, 0.75}};
  const Network derived = Derived(base_, "drop --layers 3");
  EXPECT_EQ(derived.nodes[7].inputs.at("x"), (Combination{{6, 1.0}}));
}

TEST_F(LayersTest, ANodeThatCarriesNothingHasNothingToGive) {
  EXPECT_EQ(ErrorOf(base_, "drop --nodes 0"),
            "drop: embed cannot be removed: layers.0.attention reads it, and it carries nothing "
            "that could take its place");
  EXPECT_THAT(ErrorOf(base_, "drop --nodes 9"), HasSubstr("norm cannot be removed: head reads it"));
  EXPECT_EQ(ErrorOf(base_, "drop --nodes 10"),
            "drop: the result is no valid network: the last node, norm, gives 64 floats per row "
            "and not logits");
  EXPECT_THAT(ErrorOf(base_, "drop"), HasSubstr("--layers or --nodes is missing"));
}

TEST_F(LayersTest, TheOwnerOfAStateStaysWhileOthersUseIt) {
  base_.nodes[5].state_of = 3;
  EXPECT_EQ(ErrorOf(base_, "drop --layers 1"),
            "drop: layers.1.attention cannot be removed: layers.2.attention uses its state");
  EXPECT_EQ(Derived(base_, "drop --layers 1,2").layers(), 2);
  EXPECT_EQ(Derived(base_, "drop --layers 0").nodes[3].state_of, 1);
}

TEST_F(LayersTest, WhatNothingUsesAfterADropGoesWithIt) {
  // Layer 3's mlp reads a side branch: a norm of the embedding.
  Node branch = testing::ChainNode(base_.nodes[9].block, 0, false, std::nullopt);
  base_.nodes.insert(base_.nodes.begin() + 1, branch);
  for (std::size_t i = 2; i < base_.nodes.size(); ++i) {
    for (Combination* terms : {&base_.nodes[i].inputs["x"], &base_.nodes[i].carry}) {
      for (Term& term : *terms) {
        term.node += term.node >= 1 ? 1 : 0;
      }
    }
  }
  base_.nodes[9].inputs["x"].insert(base_.nodes[9].inputs["x"].begin(), {1, 0.5});
  ASSERT_EQ(MessageOf(Validate(base_)), "ok");
  const Network derived = Derived(base_, "drop --nodes 9");
  EXPECT_EQ(derived.nodes.size(), base_.nodes.size() - 2);
  EXPECT_THAT(remarks_,
              ::testing::ElementsAre("removed what nothing uses any more: node 1 (norm)"));
}

TEST_F(LayersTest, EachRepetitionHasStateOfItsOwn) {
  const Network derived = Derived(base_, "repeat --layers 1 --times 3");
  for (const Node& node : derived.nodes) {
    EXPECT_FALSE(node.state_of.has_value());
  }
  EXPECT_EQ(derived.nodes[3].block, derived.nodes[7].block);
  EXPECT_EQ(derived.nodes[7].inputs.at("x"), (Combination{{6, 1.0}}));
}

TEST_F(LayersTest, ACopyUsesTheStateOfTheLastCopyOfItsOwner) {
  base_.nodes[5].state_of = 3;  // layer 2's attention uses layer 1's state
  const Network derived = Derived(base_, "stack --ranges 0-2,1-3");
  EXPECT_EQ(derived.nodes[5].state_of, 3);
  EXPECT_EQ(derived.nodes[9].state_of, 7);
  EXPECT_EQ(ErrorOf(base_, "stack --ranges 0,2,3"),
            "stack: layers.2.attention: it needs layers.1.attention, which is not taken, or only "
            "later");
}

TEST_F(LayersTest, ANodeThatReadsTheEmbeddingFromAfarGoesOnReadingIt) {
  base_.nodes[6].inputs["x"] = {{0, 0.5}, {5, 1.0}};
  const Network derived = Derived(base_, "repeat --layers 2");
  EXPECT_EQ(derived.nodes[8].inputs.at("x"), (Combination{{0, 0.5}, {7, 1.0}}));
}

TEST_F(LayersTest, AHeadThatReadsAMiddleLayerReadsItsLastCopy) {
  base_.nodes[9].inputs["x"] = {{4, 0.5}, {8, 0.5}};
  EXPECT_EQ(Derived(base_, "repeat --layers 1").nodes[11].inputs.at("x"),
            (Combination{{6, 0.5}, {10, 0.5}}));
  EXPECT_THAT(ErrorOf(base_, "stack --ranges 0,2,3"),
              HasSubstr("norm: it needs layers.1.mlp, which is not taken"));
}

TEST_F(LayersTest, LayersWithOtherNodesInOrBetweenThemCannotBeMoved) {
  base_.nodes[3].layer = base_.nodes[4].layer = std::nullopt;
  RenumberLayers(base_);
  EXPECT_EQ(ErrorOf(base_, "repeat --layers 0"),
            "repeat: mlp belongs to no layer, and stands between layers: they cannot be moved");
  base_.nodes[3].layer = base_.nodes[6].layer = 1;
  base_.nodes[4].layer = base_.nodes[5].layer = 2;
  RenumberLayers(base_);
  EXPECT_EQ(ErrorOf(base_, "repeat --layers 0"),
            "repeat: the nodes of layer 1 are not consecutive: layers cannot be moved");
}

TEST_F(LayersTest, RepeatBoundsItsResult) {
  EXPECT_THAT(ErrorOf(base_, "repeat --layers 0-3 --times 65536"), HasSubstr("more than 65536"));
  for (const char* const times : {"0", "-1", "50%", "x", "65537"}) {
    EXPECT_THAT(ErrorOf(base_, std::string("repeat --layers 0 --times ") + times),
                HasSubstr("--times: expected a number from 1 to 65536"));
  }
}

// ---- share

TEST_F(LayersTest, LayersOfUnlikeKindsCannotShare) {
  base_.nodes[4].block = base_.nodes[3].block;
  EXPECT_EQ(ErrorOf(base_, "share --layers 0,1"),
            "share: layers.1.attention_2 and layers.0.mlp are of different kinds, attention and "
            "mlp: they cannot share a block");
  base_.nodes[4].layer = 2;
  RenumberLayers(base_);
  EXPECT_EQ(ErrorOf(base_, "share --layers 0,1"),
            "share: layer 1 has 1 nodes, and layer 0 has 2: they cannot share blocks");
  EXPECT_THAT(ErrorOf(base_, "share --layers 0 --with 1,2"), HasSubstr("--with: expected one"));
}

TEST_F(LayersTest, ASharedBlockKeepsTheSliceThatItIsUsedWith) {
  base_.nodes[4].slice = {{"channels", 96}};
  const Network derived = Derived(base_, "share --layers 0-2 --with 1");
  EXPECT_EQ(derived.nodes[2].slice, base_.nodes[4].slice);
  EXPECT_EQ(derived.nodes[6].slice, base_.nodes[4].slice);
}

// ---- swap and stack with other networks

class OtherNetworkTest : public LayersTest {
 protected:
  OtherNetworkTest() : other_(ToyNetwork(*store_, {.layers = 3, .seed = 2})) {
    Save(other_, "other:v1.0-x");  // as awkward as names may be
  }
  Network other_;
};

TEST_F(OtherNetworkTest, SwapTakesLayersWithAllTheirNodes) {
  const Network derived = Derived(base_, "swap --layers 3,1 --with other:v1.0-x --from-layers 0,2");
  EXPECT_EQ(derived.nodes[7].block, other_.nodes[1].block);
  EXPECT_EQ(derived.nodes[8].block, other_.nodes[2].block);
  EXPECT_EQ(derived.nodes[3].block, other_.nodes[5].block);
  EXPECT_EQ(derived.nodes[1].block, base_.nodes[1].block);
  EXPECT_EQ(derived.nodes[10].block, base_.nodes[10].block);
}

TEST_F(OtherNetworkTest, SwapTakesSingleNodesWhichGoOnReadingWhatWasRead) {
  const Network derived = Derived(base_, "swap --nodes 0,10 --with other:v1.0-x --from-nodes 0,8");
  EXPECT_EQ(derived.nodes[0].block, other_.nodes[0].block);
  EXPECT_EQ(derived.nodes[10].block, other_.nodes[8].block);
  EXPECT_EQ(derived.nodes[10].inputs, base_.nodes[10].inputs);
}

TEST_F(OtherNetworkTest, SwapSaysWhatIsWrong) {
  const auto error = [&](const std::string& arguments) {
    return ErrorOf(base_, "swap " + arguments);
  };
  EXPECT_THAT(error("--with other:v1.0-x"), HasSubstr("either --layers or --nodes"));
  EXPECT_THAT(error("--with other:v1.0-x --layers 0 --nodes 0"), HasSubstr("either --layers or"));
  EXPECT_THAT(error("--with oter:v1.0-x --layers 0"), HasSubstr("did you mean \"other:v1.0-x\"?"));
  EXPECT_THAT(error("--with other:v1.0-x --layers 3"),
              HasSubstr("the other network has 3 layers, and none with the number 3"));
  EXPECT_THAT(error("--with other:v1.0-x --layers 0,1 --from-layers 2"),
              HasSubstr("2 layers are to be replaced with 1"));
  EXPECT_THAT(error("--with other:v1.0-x --nodes 0 --from-layers 2"),
              HasSubstr("--from-layers goes with --layers"));
}

TEST_F(OtherNetworkTest, StackTakesRangesOfSeveralNetworks) {
  const Network derived = Derived(base_, "stack --ranges 0-1,other:v1.0-x:1-2,3");
  EXPECT_EQ(derived.layers(), 5);
  EXPECT_EQ(derived.nodes[5].block, other_.nodes[3].block);
  EXPECT_EQ(derived.nodes[7].block, other_.nodes[5].block);
  EXPECT_EQ(derived.nodes[9].block, base_.nodes[7].block);
  EXPECT_THAT(ErrorOf(base_, "stack --ranges 0-1,other:v1.0-x:1-3"),
              HasSubstr("--ranges: other:v1.0-x:1-3: there is no 3"));
}

TEST_F(OtherNetworkTest, WidthsThatDoNotFitAreANamedError) {
  Save(ToyNetwork(*store_, {.layers = 3, .width = 32, .head_dim = 8}), "narrow");
  EXPECT_EQ(ErrorOf(base_, "swap --layers 1 --with narrow"),
            "swap: the result is no valid network: layers.1.attention reads 32 floats per row, and "
            "layers.0.mlp gives 64");
}

TEST_F(OtherNetworkTest, WhatStandsBeforeTheOthersLayersIsNotTaken) {
  other_.nodes[5].inputs["x"] = {{0, 1.0}, {4, 1.0}};
  Save(other_, "skip");
  EXPECT_THAT(ErrorOf(base_, "stack --ranges 0,skip:2"),
              HasSubstr("layers.2.attention: it reads embed, which stands before the layers of its "
                        "own network"));
}

}  // namespace
}  // namespace ashlar
