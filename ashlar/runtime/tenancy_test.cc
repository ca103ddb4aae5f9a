// What requests of many tenants ask of the engine: turns, priorities, caches apart, outputs within
// a constraint, hidden states.
#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/internal/scheduler.h"
#include "ashlar/runtime/testing_networks.h"

namespace ashlar {
namespace {

using testing_networks::RandomLlama;
using testing_networks::RandomTokens;
using testing_networks::StepOf;

// Allows the tokens of one set, and ends after so many.
class OnlyThese final : public TokenConstraint {
 public:
  OnlyThese(const std::set<std::int32_t>& tokens, int most) : left_(most) {
    for (const std::int32_t token : tokens) {
      words_[token / 64] |= std::uint64_t{1} << token % 64;
    }
  }
  Result<std::span<const std::uint64_t>> Allowed() override {
    return std::span<const std::uint64_t>(words_);
  }
  Status Accept(std::int32_t) override {
    --left_;
    return {};
  }
  bool finished() const override { return left_ == 0; }

 private:
  std::array<std::uint64_t, 2> words_ = {};
  int left_;
};

class TenancyTest : public ::testing::Test {
 protected:
  static EngineOptions Options() {
    return {.max_positions = 256,
            .max_rows = 32,
            .max_logit_rows = 16,
            .max_sequences = 2,
            .page_bytes = 1 << 20};
  }
  Request Ask(std::int64_t prompt, std::int64_t max_tokens, std::uint32_t tenant = 0) {
    return {.network = network_,
            .prompt = RandomTokens(random_, prompt, 96),
            .max_tokens = max_tokens,
            .sampling = {.temperature = 0},
            .tenant = tenant};
  }
  // The requests in the order in which they end.
  std::vector<RequestId> Ends() {
    std::vector<RequestId> ends;
    while (!engine_.idle()) {
      for (const Delivery& delivery : StepOf(engine_)) {
        if (delivery.finish != FinishReason::kNone) {
          ends.push_back(delivery.request);
        }
      }
    }
    return ends;
  }

  std::mt19937_64 random_{1};
  std::unique_ptr<BlobStore> store_ = NewMemoryStore();
  Network base_ = RandomLlama(*store_, {});
  Engine engine_{*store_, Options()};
  NetworkId network_ = *engine_.Load(base_);
};

TEST_F(TenancyTest, ATenantWithOneRequestDoesNotWaitForAllOfOneWithMany) {
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(engine_.Submit(Ask(20, 10, 1)).ok());
  }
  const RequestId single = *engine_.Submit(Ask(20, 10, 2));
  const std::vector<RequestId> ends = Ends();
  const auto place = std::ranges::find(ends, single) - ends.begin();
  EXPECT_LE(place, 3) << "two were running when it came or ran beside it";
}

TEST_F(TenancyTest, TenantsWithMuchToDoGetEqualNumbersOfTokens) {
  // One asks in long pieces, the other in short ones.
  std::map<RequestId, std::uint32_t> tenant_of;
  for (int i = 0; i < 10; ++i) {
    tenant_of[*engine_.Submit(Ask(60, 30, 1))] = 1;
  }
  for (int i = 0; i < 60; ++i) {
    tenant_of[*engine_.Submit(Ask(10, 5, 2))] = 2;
  }
  std::map<std::uint32_t, std::int64_t> had;
  for (int step = 0; step < 250; ++step) {
    for (const Delivery& delivery : StepOf(engine_)) {
      had[tenant_of[delivery.request]] += delivery.token ? 1 : 0;
    }
  }
  EXPECT_GT(had[1], 0);
  EXPECT_NEAR(static_cast<double>(had[1]) / static_cast<double>(had[2]), 1, 0.25)
      << had[1] << " and " << had[2];
}

TEST_F(TenancyTest, AHigherPriorityIsAdmittedFirst) {
  std::vector<RequestId> low;
  for (int i = 0; i < 4; ++i) {
    low.push_back(*engine_.Submit(Ask(10, i == 1 ? 25 : 10)));
  }
  ASSERT_TRUE(engine_.Step().ok());
  Request request = Ask(10, 10);
  request.priority = 1;
  const RequestId high = *engine_.Submit(std::move(request));
  const std::vector<RequestId> ends = Ends();
  EXPECT_EQ(ends, (std::vector<RequestId>{low[0], high, low[1], low[2], low[3]}));
}

// Those who decode hold prompts back when they have said a few tokens.
void FindAPace(Engine& engine) {
  for (std::int64_t i = 0; i < internal::kTokensToFindAPace; ++i) {
    ASSERT_TRUE(engine.Step().ok());
  }
}

TEST_F(TenancyTest, TokensKeepComingWhileALongPromptIsRead) {
  engine_.set_prompts_beside_decoding(4, std::numeric_limits<double>::infinity());
  const RequestId decoding = *engine_.Submit(Ask(4, 100));
  FindAPace(engine_);
  const RequestId reading = *engine_.Submit(Ask(200, 1));
  int steps = 0;
  for (bool read = false; !read; ++steps) {
    const std::uint64_t rows = engine_.counters().rows;
    bool token = false;
    for (const Delivery& delivery : StepOf(engine_)) {
      token |= delivery.request == decoding && delivery.token.has_value();
      read |= delivery.request == reading && delivery.finish == FinishReason::kLength;
    }
    EXPECT_TRUE(token);
    EXPECT_LE(engine_.counters().rows - rows, 5u);
  }
  EXPECT_EQ(steps, 50);
}

TEST_F(TenancyTest, NoTokenWaitsForMoreOfAPromptThanIsAllowedWhereverItsRowsStand) {
  const RequestId decoding = *engine_.Submit(Ask(4, 200));
  ASSERT_TRUE(engine_.Step().ok());
  ASSERT_EQ(engine_.last_work().prompt_rows, 4);
  FindAPace(engine_);
  ASSERT_EQ(engine_.last_work().decoding_rows, 1);
  const double allowed = 12 * engine_.last_work().decoding;
  engine_.set_prompts_beside_decoding(64, allowed);
  const RequestId reading = *engine_.Submit(Ask(200, 1));
  std::vector<std::int64_t> chunks;
  for (bool read = false; !read;) {
    for (const Delivery& delivery : StepOf(engine_)) {
      read |= delivery.request == reading && delivery.token.has_value();
      EXPECT_TRUE(delivery.request != decoding || delivery.token.has_value());
    }
    const StepWork work = engine_.last_work();
    EXPECT_EQ(work.decoding_rows, 1);
    EXPECT_TRUE(work.prompt <= allowed || work.prompt_rows == 4) << work.prompt;
    chunks.push_back(work.prompt_rows);
  }
  EXPECT_GE(chunks.front(), 10);
  EXPECT_LT(chunks[chunks.size() - 2], chunks.front()) << "they attend to more";

  engine_.set_prompts_beside_decoding(0, 0);
  const RequestId waiting = *engine_.Submit(Ask(20, 1));
  for (int i = 0; i < 5; ++i) {
    for (const Delivery& delivery : StepOf(engine_)) {
      EXPECT_NE(delivery.request, waiting);
    }
    EXPECT_EQ(engine_.last_work().prompt_rows, 0);
  }
}

TEST_F(TenancyTest, APrefixIsFoundByRequestsOfItsOwnScopeOnly) {
  const Request request = Ask(64, 1);
  const auto cached = [&](std::uint64_t scope) {
    Request one = request;
    one.cache_scope = scope;
    EXPECT_TRUE(engine_.Submit(std::move(one)).ok());
    std::int64_t tokens = -1;
    while (!engine_.idle()) {
      for (const Delivery& delivery : StepOf(engine_)) {
        tokens = delivery.cached_tokens;
      }
    }
    return tokens;
  };
  EXPECT_EQ(cached(1), 0);
  EXPECT_EQ(cached(2), 0);
  EXPECT_EQ(cached(0), 0);
  EXPECT_EQ(cached(1), 63) << "all but the row whose logits are wanted";
  EXPECT_EQ(cached(2), 63);
  EXPECT_EQ(cached(0), 63);
}

TEST_F(TenancyTest, PagesOfEndedRequestsAreCachedAndNotRunning) {
  EXPECT_EQ(engine_.page_use().running, 0u);
  ASSERT_TRUE(engine_.Submit(Ask(64, 2)).ok());
  ASSERT_TRUE(engine_.Step().ok());
  ASSERT_TRUE(engine_.Step().ok());
  EXPECT_GT(engine_.page_use().running, 0u);
  Ends();
  EXPECT_EQ(engine_.page_use().running, 0u);
  EXPECT_GT(engine_.page_use().cached, 0u);
  EXPECT_EQ(engine_.page_use().budget, 1u << 20);
}

TEST_F(TenancyTest, AConstraintAllowsItsTokensOnlyAndEndsTheRequest) {
  const std::set<std::int32_t> allowed = {3, 17, 70, 95};
  for (const float temperature : {0.0f, 2.0f}) {
    Request request = Ask(10, 30);
    request.sampling.temperature = temperature;
    request.constraint = std::make_shared<OnlyThese>(allowed, 7);
    const Completion completion = *RunToEnd(engine_, *engine_.Submit(std::move(request)));
    EXPECT_EQ(completion.finish, FinishReason::kStop);
    EXPECT_EQ(completion.tokens.size(), 7u);
    for (const SampledToken& token : completion.tokens) {
      EXPECT_TRUE(allowed.contains(token.token)) << token.token;
    }
  }
}

TEST_F(TenancyTest, AConstraintTakesTheLikeliestOfWhatItAllows) {
  Request request = Ask(10, 1);
  request.sampling.top_logprobs = 96;
  const Completion free = *RunToEnd(engine_, *engine_.Submit(request));
  const std::int32_t second = free.tokens[0].top[1].token;
  const std::int32_t last = free.tokens[0].top[95].token;
  request.constraint = std::make_shared<OnlyThese>(std::set{second, last}, 1);
  const Completion constrained = *RunToEnd(engine_, *engine_.Submit(request));
  EXPECT_EQ(constrained.tokens[0].token, second);
  EXPECT_EQ(constrained.tokens[0].top.size(), 2u) << "of the others there is no probability";
}

TEST_F(TenancyTest, AConstraintThatAllowsNothingFailsItsRequestAlone) {
  Request request = Ask(10, 30);
  request.constraint = std::make_shared<OnlyThese>(std::set<std::int32_t>{}, 7);
  const RequestId stuck = *engine_.Submit(std::move(request));
  const RequestId other = *engine_.Submit(Ask(10, 3));
  std::map<RequestId, FinishReason> finish;
  while (!engine_.idle()) {
    for (const Delivery& delivery : StepOf(engine_)) {
      finish[delivery.request] = delivery.finish;
    }
  }
  EXPECT_EQ(finish[stuck], FinishReason::kFailed);
  EXPECT_EQ(finish[other], FinishReason::kLength);
}

// All that a request for hidden states delivers, position by position.
std::vector<float> HiddenStates(Engine& engine, Request request) {
  request.prompt_logits = true;
  request.hidden_states = true;
  request.max_tokens = 0;
  const RequestId id = *engine.Submit(std::move(request));
  std::vector<float> hidden;
  while (!engine.idle()) {
    for (const Delivery& delivery : StepOf(engine)) {
      if (delivery.request == id) {
        EXPECT_EQ(delivery.logits_first_position * 64, std::ssize(hidden));
        hidden.insert(hidden.end(), delivery.logits.begin(), delivery.logits.end());
      }
    }
  }
  return hidden;
}

TEST_F(TenancyTest, HiddenStatesAreWhatTheHeadMakesItsLogitsOf) {
  Request request = Ask(40, 0);
  const std::vector<float> hidden = HiddenStates(engine_, request);
  ASSERT_EQ(hidden.size(), 40u * 64);
  request.prompt_logits = true;
  ASSERT_TRUE(engine_.Submit(request).ok());
  std::vector<float> logits;
  while (!engine_.idle()) {
    for (const Delivery& delivery : StepOf(engine_)) {
      logits.insert(logits.end(), delivery.logits.begin(), delivery.logits.end());
    }
  }
  ASSERT_EQ(logits.size(), 40u * 96);
  const Block& head = base_.BlockOf(static_cast<int>(base_.nodes.size()) - 1);
  const TensorManifest& weight = head.tensors.at("weight");
  const Blob blob = *store_->Get(weight.levels[0].blob);
  std::vector<float> matrix(96 * 64);
  weight.codec->decode(blob.bytes().data(), 64, 0, 96, matrix.data());
  for (std::size_t position = 0; position < 40; ++position) {
    for (std::size_t token = 0; token < 96; ++token) {
      double sum = 0;
      for (std::size_t i = 0; i < 64; ++i) {
        sum += static_cast<double>(matrix[token * 64 + i]) * hidden[position * 64 + i];
      }
      EXPECT_NEAR(logits[position * 96 + token], sum, 1e-4);
    }
  }
}

TEST_F(TenancyTest, HiddenStatesAreTheSameToTheBitBesideOthers) {
  const Request request = Ask(40, 0);
  const std::vector<float> alone = HiddenStates(engine_, request);
  ASSERT_TRUE(engine_.Submit(Ask(10, 50)).ok());
  ASSERT_TRUE(engine_.Step().ok());
  const std::vector<float> beside = HiddenStates(engine_, request);
  ASSERT_EQ(alone.size(), beside.size());
  for (std::size_t i = 0; i < alone.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(alone[i]), std::bit_cast<std::uint32_t>(beside[i]));
  }
}

TEST_F(TenancyTest, HiddenStatesOfARequestThatGeneratesAreRefused) {
  Request request = Ask(10, 5);
  request.hidden_states = true;
  const auto refused = engine_.Submit(std::move(request));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("hidden_states"), std::string::npos);
}

}  // namespace
}  // namespace ashlar
