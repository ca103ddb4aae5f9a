// What networks share is computed once and kept once; what differs never is.
#include <random>

#include <gtest/gtest.h>

#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/testing_networks.h"

namespace ashlar {
namespace {

using testing_networks::RandomLlama;
using testing_networks::RandomTokens;
using testing_networks::WithLayers;
using testing_networks::WithUpperLayersOf;

constexpr std::uint64_t kPage = 4096;  // of one state slot of these networks, and of one value

class SharingTest : public ::testing::Test {
 protected:
  static EngineOptions Options() {
    return {.max_positions = 256,
            .max_rows = 128,
            .max_logit_rows = 16,
            .max_sequences = 4,
            .page_bytes = 4 << 20};
  }
  // Rows that blocks compute for one request that reads `prompt` and gives one token.
  static std::uint64_t RowsComputed(Engine& engine, NetworkId network,
                                    const std::vector<std::int32_t>& prompt) {
    const std::uint64_t before = engine.counters().block_rows;
    const RequestId request = *engine.Submit(
        {.network = network, .prompt = prompt, .max_tokens = 1, .sampling = {.temperature = 0}});
    EXPECT_TRUE(RunToEnd(engine, request).ok());
    return engine.counters().block_rows - before;
  }
  static std::int32_t FirstToken(Engine& engine, NetworkId network,
                                 const std::vector<std::int32_t>& prompt, float& logprob) {
    const RequestId request = *engine.Submit({.network = network,
                                              .prompt = prompt,
                                              .max_tokens = 1,
                                              .sampling = {.temperature = 0, .top_logprobs = 0}});
    const Completion completion = *RunToEnd(engine, request);
    logprob = completion.tokens[0].logprob;
    return completion.tokens[0].token;
  }

  std::unique_ptr<BlobStore> store_ = NewMemoryStore();
  std::mt19937_64 random_{1};
  // embed, 4 x (attention, mlp), norm, head: 11 nodes.
  Network base_ = RandomLlama(*store_, {});
  Network tuned_ = WithUpperLayersOf(base_, 2, RandomLlama(*store_, {.seed = 2}));
};

// Steps until both requests decode, and returns the block runs of the next step.
std::uint64_t RunsOfADecodingStep(Engine& engine, NetworkId one, NetworkId other) {
  for (const NetworkId network : {one, other}) {
    EXPECT_TRUE(engine.Submit({.network = network, .prompt = {1, 2, 3}, .max_tokens = 10}).ok());
  }
  EXPECT_TRUE(engine.Step().ok());
  EXPECT_TRUE(engine.Step().ok());
  const EngineCounters before = engine.counters();
  EXPECT_EQ(engine.Step()->size(), 2u);
  return engine.counters().block_runs - before.block_runs;
}

TEST_F(SharingTest, ABlockThatTwoNetworksShareRunsOncePerStepForBoth) {
  Engine engine(*store_, Options());
  const NetworkId base = *engine.Load(base_);
  const NetworkId tuned = *engine.Load(tuned_);
  // Embedding and two layers meet (5); two layers, norm and head do not (6 each).
  EXPECT_EQ(RunsOfADecodingStep(engine, base, tuned), 5u + 2 * 6);
}

TEST_F(SharingTest, SharedBlocksMeetAlsoAtOtherDepths) {
  Engine engine(*store_, Options());
  const NetworkId base = *engine.Load(base_);
  const NetworkId dropped = *engine.Load(WithLayers(base_, std::vector{0, 3}));
  EXPECT_EQ(RunsOfADecodingStep(engine, base, dropped), 11u);
}

TEST_F(SharingTest, ARepeatedLayerMeetsItsBaseOnce) {
  Engine engine(*store_, Options());
  const NetworkId base = *engine.Load(base_);
  const NetworkId repeated = *engine.Load(WithLayers(base_, std::vector{0, 1, 1, 2, 3}));
  EXPECT_EQ(RunsOfADecodingStep(engine, base, repeated), 11u + 2);
}

TEST_F(SharingTest, ASecondRequestWithTheSamePromptComputesTheRestOnly) {
  Engine engine(*store_, Options());
  const NetworkId base = *engine.Load(base_);
  const auto prompt = RandomTokens(random_, 70, 96);
  // The last MLP, norm and head run for the last row only.
  EXPECT_EQ(RowsComputed(engine, base, prompt), 8u * 70 + 3);
  EXPECT_EQ(RowsComputed(engine, base, prompt), 8u * 6 + 3);
  EXPECT_EQ(engine.counters().cached_tokens, 64u);
  const std::vector<std::int32_t> whole_pages(prompt.begin(), prompt.begin() + 64);
  EXPECT_EQ(RowsComputed(engine, base, whole_pages), 11u);  // the last row
  EXPECT_EQ(engine.counters().cached_tokens, 64u + 63);
}

TEST_F(SharingTest, ACarriedStateIsTakenUpAtTheEndOfAPage) {
  Engine engine(*store_, Options());
  const NetworkId network = *engine.Load(RandomLlama(*store_, {.layers = 2, .recurrent = true}));
  const auto prompt = RandomTokens(random_, 70, 96);
  EXPECT_EQ(RowsComputed(engine, network, prompt), 4u * 70 + 3);
  EXPECT_EQ(RowsComputed(engine, network, prompt), 4u * 6 + 3);
  // The last row needs the state of the row before it, and the page with that has the state after
  // the last: embedding and state space begin at the page, whose length is 32.
  const std::vector<std::int32_t> whole_pages(prompt.begin(), prompt.begin() + 64);
  EXPECT_EQ(RowsComputed(engine, network, whole_pages), 2u * 32 + 5);
}

TEST_F(SharingTest, WithBoundaryPagesAnotherNetworkComputesNoSharedRow) {
  Engine engine(*store_, Options());
  const NetworkId base = *engine.Load(base_);
  const NetworkId tuned = *engine.Load(tuned_);
  const auto prompt = RandomTokens(random_, 70, 96);
  EXPECT_EQ(RowsComputed(engine, base, prompt), 8u * 70 + 3);
  // Embedding and two layers: the six positions past the last whole page; above, all.
  EXPECT_EQ(RowsComputed(engine, tuned, prompt), 5u * 6 + 3 * 70 + 3);
  EXPECT_EQ(engine.counters().cached_tokens, 0u) << "some of each position was computed";
  EXPECT_EQ(RowsComputed(engine, tuned, prompt), 8u * 6 + 3);
  EXPECT_EQ(engine.counters().cached_tokens, 64u);
}

TEST_F(SharingTest, WithoutBoundaryPagesTheSharedPagesAreStillSharedInMemory) {
  EngineOptions options = Options();
  // After base: 4 slots of 4 whole pages. Then tuned: 2 slots of 5 pages above, one page in each of
  // the 2 below, and 5 of boundary values. Its own copy of the lower pages would not fit.
  options.page_bytes = (16 + 10 + 2 + 5) * kPage;
  Engine engine(*store_, options);
  const NetworkId base = *engine.Load(base_);
  const auto prompt = RandomTokens(random_, 70, 96);
  RowsComputed(engine, base, prompt);
  const NetworkId tuned = *engine.Load(tuned_);  // nobody kept values for it
  EXPECT_EQ(RowsComputed(engine, tuned, prompt), 8u * 70 + 3);
  EXPECT_EQ(engine.counters().pages_evicted, 0u);
  EXPECT_EQ(engine.counters().cached_tokens, 0u);
  // Both find everything now.
  EXPECT_EQ(RowsComputed(engine, base, prompt), 8u * 6 + 3);
  EXPECT_EQ(RowsComputed(engine, tuned, prompt), 8u * 6 + 3);
}

TEST_F(SharingTest, PagesOfADroppedNetworkServeItsBaseUpToTheGap) {
  Engine engine(*store_, Options());
  const NetworkId base = *engine.Load(base_);
  const NetworkId dropped = *engine.Load(WithLayers(base_, std::vector{0, 1, 3}));
  const auto prompt = RandomTokens(random_, 70, 96);
  EXPECT_EQ(RowsComputed(engine, dropped, prompt), 6u * 70 + 3);
  EXPECT_EQ(RowsComputed(engine, base, prompt), 5u * 6 + 3 * 70 + 3);
}

TEST_F(SharingTest, WhatDiffersInAnyWayNeverShares) {
  Network scaled = base_;
  scaled.nodes[1].inputs["x"][0].coefficient = 0.5;
  Network carried = base_;
  carried.nodes[1].carry[0].coefficient = 0.5;
  Network sliced = base_;
  sliced.nodes[2].slice = {{"channels", 64}};
  Network one_bit = base_;
  Block embed = one_bit.BlockOf(0);
  TensorManifest& weight = embed.tensors.begin()->second;
  const Blob blob = *store_->Get(weight.levels[0].blob);
  std::vector<std::byte> bytes(blob.bytes().begin(), blob.bytes().end());
  bytes[2] ^= std::byte{1};
  weight.levels[0].blob = *store_->Put(bytes);
  one_bit.nodes[0].block = one_bit.AddBlock(std::move(embed));
  const Network others[] = {one_bit, RandomLlama(*store_, {.seed = 2}),
                            RandomLlama(*store_, {.codec = "q8"}),
                            RandomLlama(*store_, {.codec = "q4"})};
  const auto prompt = RandomTokens(random_, 70, 96);
  for (std::size_t i = 0; i < std::size(others); ++i) {
    Engine engine(*store_, Options());
    const NetworkId base = *engine.Load(base_);
    const NetworkId other = *engine.Load(others[i]);
    RowsComputed(engine, base, prompt);
    EXPECT_EQ(RowsComputed(engine, other, prompt), 8u * 70 + 3) << "network " << i;
    EXPECT_EQ(engine.counters().cached_tokens, 0u) << "network " << i;
  }
  {
    // The same embedding, read with another coefficient: its rows are spared, and no state is.
    Engine engine(*store_, Options());
    const NetworkId base = *engine.Load(base_);
    const NetworkId other = *engine.Load(scaled);
    RowsComputed(engine, base, prompt);
    EXPECT_EQ(RowsComputed(engine, other, prompt), 6u + 7 * 70 + 3);
    EXPECT_EQ(engine.counters().cached_tokens, 0u);
  }
  // These differ above the first attention: its pages alone are shared.
  for (const Network& network : {carried, sliced}) {
    Engine engine(*store_, Options());
    const NetworkId base = *engine.Load(base_);
    RowsComputed(engine, base, prompt);
    const NetworkId other = *engine.Load(network);
    float logprob = 0;
    const std::int32_t token = FirstToken(engine, other, prompt, logprob);
    Engine fresh(*store_, Options());
    float expected = 0;
    EXPECT_EQ(token, FirstToken(fresh, *fresh.Load(network), prompt, expected));
    EXPECT_EQ(logprob, expected);
  }
}

TEST_F(SharingTest, AForkTakesPagesOnlyForWhatIsItsOwn) {
  EngineOptions options = Options();
  options.prefix_cache = false;
  // The parent: 4 slots of 5 pages. Each fork: a copy of the last page of each slot.
  options.page_bytes = (20 + 3 * 4) * kPage;
  Engine engine(*store_, options);
  const NetworkId base = *engine.Load(base_);
  const RequestId parent =
      *engine.Submit({.network = base, .prompt = RandomTokens(random_, 70, 96), .max_tokens = 8});
  ASSERT_TRUE(engine.Step().ok());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(engine.Fork(parent, {}, 5, {.seed = static_cast<std::uint64_t>(i)}).ok());
  }
  while (!engine.idle()) {
    ASSERT_TRUE(engine.Step().ok());
  }
  EXPECT_EQ(engine.counters().preemptions, 0u);
}

TEST_F(SharingTest, UnloadingANetworkLeavesTheOthersAsTheyWere) {
  Engine engine(*store_, Options());
  const NetworkId base = *engine.Load(base_);
  const NetworkId tuned = *engine.Load(tuned_);
  const auto prompt = RandomTokens(random_, 70, 96);
  RowsComputed(engine, tuned, prompt);
  ASSERT_TRUE(engine.Unload(tuned).ok());
  EXPECT_EQ(RowsComputed(engine, base, prompt), 8u * 70 + 3);
  const NetworkId again = *engine.Load(tuned_);
  EXPECT_EQ(RowsComputed(engine, again, prompt), 8u * 6 + 3);
}

}  // namespace
}  // namespace ashlar
