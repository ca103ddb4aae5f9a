#include "ashlar/runtime/node_walk.h"

#include <cstring>

#include <gtest/gtest.h>

#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/testing_networks.h"

namespace ashlar {
namespace {

using testing_networks::LlamaSpec;
using testing_networks::RandomLlama;

std::vector<std::int32_t> SomeTokens(std::int64_t count) {
  std::vector<std::int32_t> tokens;
  for (std::int64_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<std::int32_t>((i * 37 + i / 7) % 96));
  }
  return tokens;
}

const std::vector<std::int64_t> kLengths = {19, 1, 540, 33};
constexpr std::int64_t kAllRows = 593;

std::vector<float> WalkedLogits(NodeWalk& walk, WalkingRows rows) {
  std::vector<float> all;
  while (rows.node() + 1 < walk.nodes()) {
    EXPECT_TRUE(walk.Compute(rows, {}).ok());
    walk.Leave(rows);
  }
  EXPECT_TRUE(walk.Compute(rows, {.take =
                                      [&](std::int64_t, std::span<const float> logits) {
                                        all.insert(all.end(), logits.begin(), logits.end());
                                      }})
                  .ok());
  return all;
}

std::vector<float> EngineLogits(const BlobStore& store, const Network& network,
                                const std::vector<std::int32_t>& tokens) {
  Engine engine(store, {.max_positions = 600, .max_rows = 64});
  const NetworkId id = *engine.Load(network);
  std::vector<float> all;
  for (std::size_t first = 0, i = 0; first < tokens.size(); first += kLengths[i++]) {
    EXPECT_TRUE(
        engine
            .Submit({.network = id,
                     .prompt = {tokens.begin() + first, tokens.begin() + first + kLengths[i]},
                     .max_tokens = 0,
                     .prompt_logits = true})
            .ok());
    while (!engine.idle()) {
      const auto deliveries = engine.Step();
      for (const Delivery& delivery : *deliveries) {
        all.insert(all.end(), delivery.logits.begin(), delivery.logits.end());
      }
    }
  }
  return all;
}

TEST(NodeWalk, ComputesWhatAnEngineDoesToTheBit) {
  for (const LlamaSpec& spec :
       {LlamaSpec{.layers = 2}, LlamaSpec{.layers = 2, .codec = "q8", .window = 20},
        LlamaSpec{.layers = 2, .experts = 4, .positions = 600},
        LlamaSpec{.layers = 2, .recurrent = true}, LlamaSpec{.layers = 2, .latent = true}}) {
    const auto store = NewMemoryStore();
    const Network network = RandomLlama(*store, spec);
    const std::vector<std::int32_t> tokens = SomeTokens(kAllRows);
    ThreadPool pool(2);
    const auto walk = *NodeWalk::Open(*store, network, {.pool = pool, .max_positions = 600});
    const std::vector<float> walked = WalkedLogits(*walk, WalkingRows(tokens, kLengths));
    const std::vector<float> expected = EngineLogits(*store, network, tokens);
    ASSERT_EQ(walked.size(), expected.size());
    EXPECT_EQ(std::memcmp(walked.data(), expected.data(), walked.size() * sizeof(float)), 0);
  }
}

TEST(NodeWalk, AVariantHasTheNumbersThatItWasGivenAndNoOtherNodeDoes) {
  const auto store = NewMemoryStore();
  const Network network = RandomLlama(*store, {.layers = 1});
  const std::vector<std::int32_t> tokens = SomeTokens(kAllRows);
  ThreadPool pool(1);
  const auto walk = *NodeWalk::Open(*store, network, {.pool = pool, .max_positions = 600});
  const WalkingRows start(tokens, kLengths);
  const std::vector<float> before = WalkedLogits(*walk, start);

  // An attention whose last projection is zero: the node passes on what it carries.
  const std::vector<float> zeros(
      static_cast<std::size_t>(network.BlockOf(1).tensors.find("o")->second.shape.elements()));
  const auto variant = walk->MakeVariant(1, {{"o", zeros}});
  ASSERT_TRUE(variant.ok()) << variant.error().message;
  WalkingRows rows = start;
  ASSERT_TRUE(walk->Compute(rows, {}).ok());
  walk->Leave(rows);
  ASSERT_TRUE(walk->Compute(rows, {.variant = variant->get()}).ok());
  walk->Leave(rows);
  const std::vector<float> without_attention = WalkedLogits(*walk, rows);

  Network cut = network;
  cut.nodes[2].inputs = {{"x", {{0, 1}}}};
  cut.nodes[2].carry = {{0, 1}};
  cut.nodes.erase(cut.nodes.begin() + 1);
  for (int i = 2; i < static_cast<int>(cut.nodes.size()); ++i) {
    cut.nodes[i].inputs = {{"x", {{i - 1, 1}}}};
  }
  cut.Prune();
  EXPECT_EQ(without_attention, EngineLogits(*store, cut, tokens));
  EXPECT_NE(without_attention, before);
  EXPECT_EQ(WalkedLogits(*walk, start), before);
}

}  // namespace
}  // namespace ashlar
