// Networks whose tensors have levels, at less than all of them.
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "ashlar/base/sanitized.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/plan/stack.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/testing_networks.h"

namespace ashlar {
namespace {

using testing_networks::RandomLlama;

// Bytes in memory of the mapped files below `directory` (/proc/self/smaps).
std::uint64_t ResidentBytesOf(const Path& directory) {
  std::ifstream maps("/proc/self/smaps");
  std::uint64_t sum = 0;
  bool ours = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find('-') < line.find(' ') && line.find(" r") != std::string::npos) {
      ours = line.find(directory.string()) != std::string::npos;
    } else if (ours && line.starts_with("Rss:")) {
      std::istringstream words(line.substr(4));
      std::uint64_t kibibytes = 0;
      words >> kibibytes;
      sum += kibibytes * 1024;
    }
  }
  return sum;
}

class PrecisionTest : public ::testing::Test {
 protected:
  PrecisionTest() {
    network_ = RandomLlama(*store_, {.layers = 2,
                                     .codec = "bitplane",
                                     .width = 256,
                                     .channels = 1024,
                                     .heads = 4,
                                     .kv_heads = 4,
                                     .head_dim = 64});
  }
  static EngineOptions Options() {
    return {.threads = 2, .max_positions = 64, .max_rows = 16, .max_logit_rows = 16};
  }
  // Of the prompt, all logits.
  std::vector<float> Logits(const Precision& precision) {
    Engine engine(*store_, Options());
    CHECK(engine.SetPrecision(precision).ok());
    const NetworkId id = *engine.Load(network_);
    CHECK(engine
              .Submit({.network = id,
                       .prompt = {1, 2, 3, 4, 5, 6, 7},
                       .max_tokens = 0,
                       .prompt_logits = true})
              .ok());
    std::vector<float> logits;
    while (!engine.idle()) {
      for (const Delivery& delivery : testing_networks::StepOf(engine)) {
        logits.insert(logits.end(), delivery.logits.begin(), delivery.logits.end());
      }
    }
    return logits;
  }

  TempDirectory directory_;
  std::unique_ptr<BlobStore> store_ = *OpenDiskStore(directory_ / "store");
  Network network_;
};

TEST_F(PrecisionTest, WhatIsResidentOfTheWeightsIsWhatThePlanCounts) {
  if (kSanitized) {
    GTEST_SKIP() << "sanitizers keep pages of their own";
  }
  const StackNetwork stacked[] = {{&network_, nullptr}};
  const Stack stack(stacked);
  const Network* const networks[] = {&network_};
  for (const double share : {0.0, 0.3, 0.7, 1.0}) {
    const StackCut cut =
        stack.First(static_cast<std::size_t>(share * static_cast<double>(stack.entries().size())));
    Engine engine(*store_, Options());
    CHECK(engine.SetPrecision(cut.precision).ok());
    ASSERT_TRUE(engine.Load(network_).ok());
    // The levels of these tensors are no larger than an entry: each is there whole or not at all.
    EXPECT_EQ(ResidentBytesOf(directory_ / "store"),
              PredictMemory({.networks = networks, .precision = cut.precision}).weight_bytes)
        << share;
  }
}

TEST_F(PrecisionTest, LogitsComeCloserToThoseOfAllLevelsWithEachLevel) {
  const std::vector<float> whole = Logits({});
  double before = 1e9;
  for (int levels = 1; levels <= 7; levels += 2) {
    Precision precision;
    for (const auto& [digest, block] : network_.blocks) {
      for (const auto& [name, tensor] : block->tensors) {
        if (tensor.codec->residual != nullptr) {
          precision.insert({tensor.levels[0], {{tensor.shape[0], levels}}});
        }
      }
    }
    const std::vector<float> logits = Logits(precision);
    ASSERT_EQ(logits.size(), whole.size());
    EXPECT_EQ(logits, Logits(precision)) << "the same precision gives the same bits";
    double error = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      error += std::pow(static_cast<double>(logits[i]) - whole[i], 2);
    }
    EXPECT_LT(error, 0.5 * before) << levels;
    before = error;
  }
  EXPECT_EQ(before, 0);
}

TEST_F(PrecisionTest, APrecisionThatIsNoneOfTheNetworksIsRefusedByTheTensorsName) {
  const TensorManifest& up = network_.BlockOf(2).tensors.find("up")->second;
  Engine engine(*store_, Options());
  ASSERT_TRUE(engine.SetPrecision({{up.levels[0], {{31, 2}, {up.shape[0], 1}}}}).ok());
  const Result<NetworkId> loaded = engine.Load(network_);
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ErrorCode::kInvalid);
  EXPECT_NE(loaded.error().message.find("layers.0.mlp: tensor \"up\""), std::string::npos)
      << loaded.error().message;
}

}  // namespace
}  // namespace ashlar
