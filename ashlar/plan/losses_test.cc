#include "ashlar/plan/losses.h"

#include <cmath>

#include "ashlar/graph/derive.h"
#include "ashlar/graph/statistics.h"
#include "ashlar/graph/testing_fixture.h"

namespace ashlar {
namespace {

using testing::Must;

class LossesTest : public testing::GraphTest {
 protected:
  LossesTest() {
    Save(testing::ToyNetwork(*store_, {}), "toy");
    Derive("planes", "toy", "encode --codec bitplane");
  }
  void Derive(const std::string& name, const std::string& base, const std::string& steps) {
    const std::vector<TransformStep> parsed = Must(ParseTransformSteps(testing::Words(steps)));
    Must(::ashlar::Derive(catalog_, name, base, parsed));
  }
  // Each tensor's loss is `first`, and half of it with each level more.
  void Attach(const std::string& name, double first) {
    Statistics statistics{
        .job = Sha256(name), .tokens = 10, .joint = {{0.01, 0.02}, {first, 3 * first}}};
    const Network network = Must(catalog_.Load(name));
    for (const auto& [digest, block] : network.blocks) {
      for (const auto& [tensor_name, tensor] : block->tensors) {
        if (tensor.codec->residual == nullptr ||
            statistics.Find(tensor.levels.front()) != nullptr) {
          continue;
        }
        const std::int64_t unit = tensor.codec->row_unit;
        const std::vector<float> errors(
            tensor.levels.size() * static_cast<std::size_t>((tensor.shape[0] + unit - 1) / unit),
            1);
        TensorStatistics measured{.source = Sha256("source"), .tensor = tensor, .rows = 10};
        for (std::size_t l = 0; l < tensor.levels.size(); ++l) {
          measured.losses.push_back(std::ldexp(first, -static_cast<int>(l)));
        }
        measured.bands = Must(store_->Put(std::as_bytes(std::span(errors))));
        statistics.tensors.push_back(std::move(measured));
        Sort(statistics);
      }
    }
    const auto lease = Must(store_->BeginWriting());
    Must(AttachStatistics(catalog_, name, statistics));
  }
  std::vector<JointLoss> Joint(const std::string& name) {
    return Must(LoadJointLosses(catalog_, name, Must(catalog_.Load(name))));
  }
  std::vector<double> FirstLosses(const std::string& name) {
    std::vector<double> first;
    for (const auto& [level, losses] :
         Must(LoadLosses(catalog_, name, Must(catalog_.Load(name))))) {
      first.push_back(losses.whole(1));
      EXPECT_NEAR(losses.whole(2), first.back() / 2, 1e-9);
    }
    return first;
  }
};

TEST_F(LossesTest, AreThoseOfTheStatisticsAndNoneWithoutThem) {
  EXPECT_TRUE(Must(LoadLosses(catalog_, "planes", Must(catalog_.Load("planes")))).empty());
  Attach("planes", 0.5);
  const std::vector<double> first = FirstLosses("planes");
  ASSERT_FALSE(first.empty());
  for (const double loss : first) {
    EXPECT_NEAR(loss, 0.5, 1e-9);
  }
  const Network network = Must(catalog_.Load("planes"));
  EXPECT_EQ(CompleteLosses({&network, nullptr}).size(), first.size());
}

TEST_F(LossesTest, OfANetworkWithoutLevelsAreNotLookedFor) {
  Attach("toy", 0.5);
  Attach("planes", 0.5);
  EXPECT_TRUE(Joint("toy").empty());
  EXPECT_FALSE(Joint("planes").empty());
}

TEST_F(LossesTest, OfADerivedNetworkAreThoseOfWhatItWasDerivedFrom) {
  Attach("planes", 0.5);
  Derive("short", "planes", "drop --layers 0");
  EXPECT_EQ(FirstLosses("short"), FirstLosses("planes"));
  EXPECT_EQ(Joint("short"), (std::vector<JointLoss>{{0.01, 0.02}, {0.5, 1.5}}));
  EXPECT_TRUE(Joint("toy").empty());
}

TEST(JointLossOf, GoesThroughWhatWasMeasuredAndBeyondItInProportion) {
  const std::vector<JointLoss> measured = {{0.01, 0.02}, {0.04, 0.16}, {0.4, 0.8}};
  for (const JointLoss& point : measured) {
    EXPECT_NEAR(JointLossOf(measured, point.sum), point.measured, 1e-12);
  }
  EXPECT_NEAR(JointLossOf(measured, 0.02), std::sqrt(0.02 * 0.16), 1e-12) << "halfway, in logs";
  EXPECT_NEAR(JointLossOf(measured, 0.005), 0.01, 1e-12);
  EXPECT_NEAR(JointLossOf(measured, 0.8), 1.6, 1e-12);
  EXPECT_EQ(JointLossOf(measured, 0), 0);
  EXPECT_EQ(JointLossOf({}, 0.3), 0.3);
  double before = 0;
  for (double sum = 1e-4; sum < 2; sum *= 1.1) {
    EXPECT_GT(JointLossOf(measured, sum), before) << sum;
    before = JointLossOf(measured, sum);
  }
}

}  // namespace
}  // namespace ashlar
