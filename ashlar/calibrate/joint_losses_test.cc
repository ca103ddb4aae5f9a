#include "ashlar/calibrate/joint_losses.h"

#include <cmath>

#include <gtest/gtest.h>

#include "ashlar/calibrate/calibration_text.h"
#include "ashlar/calibrate/shrink.h"
#include "ashlar/graph/precision.h"
#include "ashlar/plan/losses.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/testing_networks.h"

namespace ashlar {
namespace {

constexpr std::size_t kJointVocabulary = 96;

// Of each token, the logarithms of the next one's probabilities, one row after the other.
std::vector<double> LogProbabilities(const BlobStore& store, const Network& network,
                                     const Precision& precision,
                                     const std::vector<std::int32_t>& tokens) {
  Engine engine(store, {.isa = *ChooseIsa(""), .max_positions = 128});
  const NetworkId id = *engine.Load(network);
  EXPECT_TRUE(engine.SetPrecision(precision).ok());
  EXPECT_TRUE(
      engine.Submit({.network = id, .prompt = tokens, .max_tokens = 0, .prompt_logits = true})
          .ok());
  std::vector<double> logs;
  while (!engine.idle()) {
    const auto deliveries = engine.Step();
    for (const Delivery& delivery : *deliveries) {
      logs.insert(logs.end(), delivery.logits.begin(), delivery.logits.end());
    }
  }
  for (std::size_t row = 0; row < logs.size(); row += kJointVocabulary) {
    double sum = 0;
    for (std::size_t i = row; i < row + kJointVocabulary; ++i) {
      sum += std::exp(logs[i]);
    }
    for (std::size_t i = row; i < row + kJointVocabulary; ++i) {
      logs[i] -= std::log(sum);
    }
  }
  return logs;
}

TEST(JointLosses, AreThoseOfAnEngineAtTheSamePrecision) {
  const std::unique_ptr<BlobStore> store = NewMemoryStore();
  Catalog catalog(*store, AllKinds());
  Network source = testing_networks::RandomLlama(*store, {.layers = 2});
  ASSERT_TRUE(catalog.Save(source, "net", Json::Array{}).ok());
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < 512; ++i) {
    tokens.push_back(i * 31 % static_cast<int>(kJointVocabulary));
  }
  ShrinkOptions options{.codec = *FindCodec("bitplane"), .isa = *ChooseIsa("")};
  options.text = tokens;
  const Result<Shrunk> shrunk = Shrink(catalog, "any", "net", options);
  ASSERT_TRUE(shrunk.ok()) << shrunk.error().message;
  const std::vector<JointLoss>& joint = shrunk->statistics.joint;
  ASSERT_GE(joint.size(), 3u);

  const LevelLosses losses = *LoadLosses(catalog, "any", shrunk->network);
  const StackNetwork stacked{&shrunk->network, &losses};
  const Precision floor = Stack({&stacked, 1}).First(0).precision;
  EXPECT_NEAR(joint.back().sum, ExpectedLoss(shrunk->network, losses, floor),
              1e-9 * joint.back().sum);
  // Of the tokens that judge, which are one sequence.
  EXPECT_EQ(shrunk->sample_rows, 64);
  const CalibrationText judging =
      SplitText(CutIntoSequences(tokens, kCalibrationLength), 64).judging;
  ASSERT_EQ(judging.lengths.size(), 1u);
  const std::vector<double> p = LogProbabilities(*store, source, {}, judging.tokens);
  const std::vector<double> q = LogProbabilities(*store, shrunk->network, floor, judging.tokens);
  ASSERT_EQ(p.size(), 64 * kJointVocabulary);
  double divergence = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    divergence += std::exp(p[i]) * (p[i] - q[i]) / 64;
  }
  EXPECT_GT(divergence, 0.001);
  EXPECT_NEAR(joint.back().measured, divergence, 1e-3 * divergence);
  EXPECT_EQ(*LoadJointLosses(catalog, "any", shrunk->network), joint);
}

}  // namespace
}  // namespace ashlar
