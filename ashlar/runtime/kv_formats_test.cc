// Networks that keep their keys and values in different formats run side by side: in the same
// steps, out of one budget of pages, and with the numbers that each has alone.
#include <array>
#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/testing_networks.h"

namespace ashlar {
namespace {

using testing_networks::RandomLlama;
using testing_networks::RandomTokens;
using testing_networks::StepOf;

class KvFormatsTest : public ::testing::Test {
 protected:
  static EngineOptions Options(std::uint64_t page_bytes = 4 << 20) {
    return {.isa = *ChooseIsa(""),
            .max_positions = 256,
            .max_rows = 64,
            .max_logit_rows = 16,
            .max_sequences = 8,
            .page_bytes = page_bytes};
  }
  static Request ReadAndSay(NetworkId network, std::vector<std::int32_t> prompt) {
    return {.network = network,
            .prompt = std::move(prompt),
            .max_tokens = 12,
            .sampling = {.temperature = 1, .seed = 5, .top_logprobs = 2}};
  }
  // Tokens and log-probabilities.
  using Said = std::vector<std::pair<std::int32_t, float>>;
  static Said Alone(const BlobStore& store, const Network& network, KvFormat format,
                    Request request) {
    EngineOptions options = Options();
    options.kv_format = format;
    options.prefix_cache = false;
    Engine engine(store, options);
    request.network = *engine.Load(network);
    const Completion completion = *RunToEnd(engine, *engine.Submit(request));
    Said said;
    for (const SampledToken& token : completion.tokens) {
      said.emplace_back(token.token, token.logprob);
    }
    return said;
  }

  std::unique_ptr<BlobStore> store_ = NewMemoryStore();
  std::mt19937_64 random_{TestSeed()};
  Network network_ = RandomLlama(*store_, {.layers = 2, .width = 128, .head_dim = 32});
};

TEST_F(KvFormatsTest, EachRequestSaysWhatItSaysAloneInItsNetworksFormat) {
  // So little memory that they take one another's pages.
  Engine engine(*store_, Options(200 << 10));
  std::map<RequestId, std::pair<KvFormat, Request>> asked;
  std::array<NetworkId, 3> networks;
  for (std::size_t i = 0; i < networks.size(); ++i) {
    networks[i] = *engine.Load(network_, {.kv_format = KvFormats()[i]});
  }
  const auto common = RandomTokens(random_, 48, 96);
  for (int i = 0; i < 18; ++i) {
    std::vector<std::int32_t> prompt = common;
    const auto more = RandomTokens(random_, 1 + static_cast<std::int64_t>(random_() % 40), 96);
    prompt.insert(prompt.end(), more.begin(), more.end());
    const std::size_t which = random_() % networks.size();
    const Request request = ReadAndSay(networks[which], prompt);
    asked[*engine.Submit(request)] = {KvFormats()[which], request};
  }
  std::map<RequestId, Said> said;
  while (!engine.idle()) {
    for (const Delivery& delivery : StepOf(engine)) {
      if (delivery.token) {
        said[delivery.request].emplace_back(delivery.token->token, delivery.token->logprob);
      }
      EXPECT_NE(delivery.finish, FinishReason::kFailed);
    }
    const PageUse use = engine.page_use();
    ASSERT_LE(use.running + use.cached, use.budget);
  }
  EXPECT_GT(engine.counters().pages_evicted, 0u);
  EXPECT_GT(engine.counters().cached_tokens, 0u);
  for (const auto& [id, each] : asked) {
    EXPECT_EQ(said[id], Alone(*store_, network_, each.first, each.second))
        << KvFormatName(each.first);
  }
}

TEST_F(KvFormatsTest, WhatOneFormatHasCachedIsNotFoundByAnother) {
  Engine engine(*store_, Options());
  const auto prompt = RandomTokens(random_, 100, 96);
  for (const KvFormat format : KvFormats()) {
    const NetworkId network = *engine.Load(network_, {.kv_format = format});
    for (const std::uint64_t cached : {0u, 96u}) {
      const std::uint64_t before = engine.counters().cached_tokens;
      ASSERT_TRUE(RunToEnd(engine, *engine.Submit(ReadAndSay(network, prompt))).ok());
      EXPECT_EQ(engine.counters().cached_tokens - before, cached) << KvFormatName(format);
    }
  }
}

TEST_F(KvFormatsTest, OnlyBlocksThatReadKeysAndValuesRunApart) {
  Engine engine(*store_, Options());
  for (const KvFormat format : {KvFormat::kF32, KvFormat::kQ8}) {
    const NetworkId network = *engine.Load(network_, {.kv_format = format});
    ASSERT_TRUE(engine.Submit(ReadAndSay(network, {1, 2, 3})).ok());
  }
  const std::uint64_t before = engine.counters().block_runs;
  EXPECT_EQ(StepOf(engine).size(), 2u);
  // Embedding, two MLPs, norm and head meet; two layers of attention do not.
  EXPECT_EQ(engine.counters().block_runs - before, 5u + 2 * 2);
}

}  // namespace
}  // namespace ashlar
