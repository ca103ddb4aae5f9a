#include "ashlar/calibrate/worth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/runtime/testing_networks.h"
#include "ashlar/store/blob_store.h"

namespace ashlar {
namespace {

using ::testing::ElementsAre;
using Errors = std::vector<double>;

TEST(LossesFrom, GoThroughWhatWasMeasuredAndFallAsTheErrorBeyond) {
  const std::vector<double> losses = LossesFrom(Errors{16, 4, 1, 0.25}, {{0, 3.2}, {2, 0.2}});
  EXPECT_DOUBLE_EQ(losses[0], 3.2);
  EXPECT_NEAR(losses[1], 0.8, 1e-12);
  EXPECT_DOUBLE_EQ(losses[2], 0.2);
  EXPECT_DOUBLE_EQ(losses[3], 0.05);
  EXPECT_EQ(LossesFrom(Errors{1, 2}, {{0, 0.5}}), (std::vector<double>{0.5, 0.5}))
      << "never rising";
  EXPECT_EQ(LossesFrom(Errors{0, 0}, {{0, 0.0}}), (std::vector<double>{0, 0}));
}

TEST(LossesLike, AreInProportionToTheErrorsWhereTheyWereMeasured) {
  const int levels[] = {0, 2};
  const std::vector<double> losses =
      LossesLike(std::vector<double>{3.2, 0.8, 0.2, 0.05}, std::vector<double>{16, 4, 1, 0.25},
                 levels, std::vector<double>{32, 8, 2, 0.5});
  EXPECT_THAT(losses, testing::Pointwise(testing::DoubleNear(1e-9),
                                         std::vector<double>{6.4, 1.6, 0.4, 0.1}));
}

TEST(LevelsOf, AreThoseThatATensorHasAndItsLastOneAtLeast) {
  const int levels[] = {1, 3};
  EXPECT_THAT(LevelsOf(levels, 7), ElementsAre(1, 3));
  EXPECT_THAT(LevelsOf(levels, 3), ElementsAre(1));
  EXPECT_THAT(LevelsOf(levels, 1), ElementsAre(0));
}

TEST(ChooseSample, OfLessWorkHasFewerRowsAndLevelsAndThenFewerMatricesOfARole) {
  const auto store = NewMemoryStore();
  const Network network = testing_networks::RandomLlama(*store, {.layers = 5});
  const Codec& codec = **FindCodec("bitplane");
  const std::vector<Target> targets = FindTargets(network, codec, nullptr).matrices;
  const WorthSample all = ChooseSample(network, targets, 4096, 96, 3e12);
  EXPECT_EQ(all.rows, 1024);
  EXPECT_EQ(all.levels.size(), 4u);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    EXPECT_EQ(all.measured_as[i], i);
  }
  EXPECT_EQ(ChooseSample(network, targets, 200, 96, 3e12).rows, 200) << "no more than there are";
  EXPECT_EQ(ChooseSample(network, targets, 4096, 1 << 20, 3e12).rows, 32) << "of wide logits";

  const WorthSample few = ChooseSample(network, targets, 4096, 96, 1);
  EXPECT_EQ(few.rows, 128);
  EXPECT_EQ(few.levels.size(), 1u);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const bool in_a_layer = targets[i].name.starts_with("layers.");
    const std::string first = in_a_layer ? "layers.0" + targets[i].name.substr(8) : targets[i].name;
    EXPECT_EQ(targets[few.measured_as[i]].name, first);
  }
}

}  // namespace
}  // namespace ashlar
