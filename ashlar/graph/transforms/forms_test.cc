// What slice and rewire do to nodes.
#include "ashlar/graph/testing_fixture.h"

namespace ashlar {
namespace {

using ::testing::HasSubstr;
using testing::ToyNetwork;

// Layers 0 to 2 are nodes 1 to 6; 0 is the embedding, 7 the norm, 8 the head. 128 channels and 2
// key-value heads with 2 query heads of 16 floats each.
class FormsTest : public testing::GraphTest {
 protected:
  Network base_ = ToyNetwork(*store_, {.layers = 3});
};

// ---- slice

TEST_F(FormsTest, AnAxisIsAnArgument) {
  const Network derived = Derived(base_, "slice --channels 75% --kv_heads 1");
  for (const int attention : {1, 3, 5}) {
    EXPECT_EQ(derived.nodes[attention].slice, (Slice{{"kv_heads", 1}}));
    EXPECT_EQ(EffectiveAttributes(derived, attention).Integer("heads"), 2);
    EXPECT_EQ(derived.nodes[attention + 1].slice, (Slice{{"channels", 96}}));
    EXPECT_EQ(derived.nodes[attention].block, base_.nodes[attention].block);
  }
  EXPECT_TRUE(derived.nodes[0].slice.empty());
}

TEST_F(FormsTest, SliceTakesSomeLayers) {
  const Network derived = Derived(base_, "slice --channels 64 --layers 1");
  EXPECT_TRUE(derived.nodes[2].slice.empty());
  EXPECT_EQ(derived.nodes[4].slice, (Slice{{"channels", 64}}));
}

TEST_F(FormsTest, APercentageGoesDownToWholePackingUnits) {
  EXPECT_EQ(Derived(base_, "slice --channels 70%").nodes[2].slice, (Slice{{"channels", 64}}));
  EXPECT_EQ(Derived(base_, "slice --channels 99.9%").nodes[2].slice, (Slice{{"channels", 96}}));
  EXPECT_THAT(ErrorOf(base_, "slice --channels 10%"), HasSubstr("the nearest sizes are 32"));
}

TEST_F(FormsTest, APercentageIsOneOfWhatIsUsedAndANumberOneOfWhatIsStored) {
  const Network half = Derived(base_, "slice --channels 50%");
  EXPECT_EQ(Derived(half, "slice --channels 50%").nodes[2].slice, (Slice{{"channels", 32}}));
  EXPECT_EQ(Derived(half, "slice --channels 96").nodes[2].slice, (Slice{{"channels", 96}}));
}

TEST_F(FormsTest, SliceSaysWhatIsWrong) {
  EXPECT_EQ(ErrorOf(base_, "slice --channels 100"),
            "slice: layers.0.mlp: --channels 100: slice channels 100: tensor \"down\" would use "
            "100 of its 128 columns, which is no multiple of 32; the nearest sizes are 96 and 128");
  EXPECT_THAT(ErrorOf(base_, "slice --channels 129"), HasSubstr("a number from 1 to 128"));
  EXPECT_THAT(ErrorOf(base_, "slice"), HasSubstr("an axis is missing, such as --channels 75%"));
  EXPECT_THAT(ErrorOf(base_, "slice --chanels 75%"),
              HasSubstr("unknown argument --chanels; did you mean \"--channels\"?"));
  EXPECT_THAT(ErrorOf(base_, "slice --channels 75% --layers 5"), HasSubstr("there is no 5"));
}

TEST_F(FormsTest, SliceOfALayerWithoutTheAxisIsAnError) {
  base_.nodes[4].layer = 2;
  for (const int node : {5, 6}) {
    base_.nodes[node].layer = 3;
  }
  EXPECT_THAT(ErrorOf(base_, "slice --channels 75% --layers 1"),
              HasSubstr("--channels: no node of these layers has channels to slice"));
}

// ---- rewire

TEST_F(FormsTest, InParallelAttentionAndMlpReadTheLayersInput) {
  const Network derived = Derived(base_, "rewire --form parallel");
  for (const int mlp : {2, 4, 6}) {
    EXPECT_EQ(derived.nodes[mlp].inputs.at("x"), (Combination{{mlp - 2, 1.0}}));
    EXPECT_EQ(derived.nodes[mlp].carry, (Combination{{mlp - 1, 1.0}})) << "both are summed";
    EXPECT_EQ(derived.nodes[mlp - 1].inputs, base_.nodes[mlp - 1].inputs);
  }
}

TEST_F(FormsTest, InALadderEachBlockReadsTheValueBeforeTheLast) {
  const Network derived = Derived(base_, "rewire --form ladder");
  EXPECT_EQ(derived.nodes[1].inputs.at("x"), (Combination{{0, 1.0}})) << "there is none before";
  for (int i = 2; i <= 6; ++i) {
    EXPECT_EQ(derived.nodes[i].inputs.at("x"), (Combination{{i - 2, 1.0}}));
    EXPECT_EQ(derived.nodes[i].carry, (Combination{{i - 1, 1.0}}));
  }
  EXPECT_EQ(derived.nodes[7].inputs, base_.nodes[7].inputs);
}

TEST_F(FormsTest, RewireTakesSomeLayers) {
  const Network derived = Derived(base_, "rewire --form ladder --layers 1");
  EXPECT_EQ(derived.nodes[2].inputs, base_.nodes[2].inputs);
  EXPECT_EQ(derived.nodes[3].inputs.at("x"), (Combination{{1, 1.0}}));
  EXPECT_EQ(derived.nodes[5].inputs, base_.nodes[5].inputs);
}

TEST_F(FormsTest, RewireSaysWhatIsWrong) {
  EXPECT_THAT(ErrorOf(base_, "rewire --form round"),
              HasSubstr("--form: expected parallel, ladder or sequential, found \"round\""));
  base_.nodes[4].carry.clear();
  EXPECT_EQ(ErrorOf(base_, "rewire --form parallel"),
            "rewire: layers.1.mlp carries nothing: only residual layers can be rewired");
}

}  // namespace
}  // namespace ashlar
