// Precision and the budget of pages change while requests run: nothing fails, and what begins after
// a change is what an engine gives that was never anything else.
#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/testing_networks.h"

namespace ashlar {
namespace {

using testing_networks::RandomLlama;
using testing_networks::RandomTokens;
using testing_networks::StepOf;
using testing_networks::WithLevels;
using testing_networks::WithUpperLayersOf;

constexpr std::int64_t kPageTokens = 16;

class ResizeTest : public ::testing::Test {
 protected:
  static EngineOptions Options() {
    return {.threads = 2,
            .max_positions = 256,
            .max_rows = 24,
            .max_logit_rows = 8,
            .max_sequences = 4,
            .page_bytes = 4 << 20};
  }
  // What became of a request: its tokens with their log-probabilities, and which plans computed it
  // from which position on.
  struct Outcome {
    std::vector<std::int32_t> ids;
    std::vector<float> logprobs;
    std::vector<std::pair<std::uint64_t, std::int64_t>> plans;
    std::int64_t cached = 0;
    FinishReason finish = FinishReason::kNone;
    bool EqualBits(const Outcome& other) const {
      return ids == other.ids && logprobs == other.logprobs && finish == other.finish;
    }
  };
  using Outcomes = std::map<RequestId, Outcome>;

  static Request Ask(NetworkId network, std::vector<std::int32_t> prompt, std::int64_t tokens) {
    return {.network = network,
            .prompt = std::move(prompt),
            .max_tokens = tokens,
            .sampling = {.temperature = 0.8f, .seed = 3}};
  }
  static void Step(Engine& engine, Outcomes& outcomes) {
    for (const Delivery& delivery : StepOf(engine)) {
      Outcome& outcome = outcomes[delivery.request];
      if (delivery.token) {
        outcome.ids.push_back(delivery.token->token);
        outcome.logprobs.push_back(delivery.token->logprob);
      }
      if (outcome.plans.empty() || outcome.plans.back().first != delivery.plan) {
        outcome.plans.emplace_back(delivery.plan, delivery.first_position);
      }
      outcome.cached = delivery.cached_tokens;
      outcome.finish = delivery.finish;
    }
  }
  static Outcome RunAlone(Engine& engine, Request request) {
    const RequestId id = *engine.Submit(std::move(request));
    Outcomes outcomes;
    while (!engine.idle()) {
      Step(engine, outcomes);
    }
    return outcomes.at(id);
  }
  // As an engine runs it that never had another precision.
  Outcome Fresh(const Network& network, const Precision& precision, Request request) const {
    Engine engine(*store_, Options());
    EXPECT_TRUE(engine.SetPrecision(precision).ok());
    request.network = *engine.Load(network);
    return RunAlone(engine, std::move(request));
  }
  std::vector<std::int32_t> Tokens(std::int64_t count) {
    return RandomTokens(random_, count, network_.vocabulary);
  }

  Network Small(std::uint64_t seed, bool recurrent = false) {
    return RandomLlama(*store_, {.layers = 3,
                                 .codec = "bitplane",
                                 .seed = seed,
                                 .width = 32,
                                 .channels = 64,
                                 .heads = 2,
                                 .kv_heads = 1,
                                 .recurrent = recurrent});
  }

  const std::unique_ptr<BlobStore> store_ = NewMemoryStore();
  const Network network_ = Small(1);
  std::mt19937_64 random_{TestSeed()};
};

TEST_F(ResizeTest, ARequestAfterAResizeFindsNoPageOfAnotherPrecision) {
  Engine engine(*store_, Options());
  const NetworkId network = *engine.Load(network_);
  const Request request = Ask(network, Tokens(70), 20);
  const Outcome full = RunAlone(engine, request);
  const std::uint64_t plan = engine.PlanOf(network);

  const Precision small = WithLevels(network_, 2);
  ASSERT_TRUE(engine.SetPrecision(small).ok());
  EXPECT_NE(engine.PlanOf(network), plan);
  const Outcome resized = RunAlone(engine, request);
  EXPECT_EQ(resized.cached, 0);
  EXPECT_FALSE(resized.EqualBits(full));
  EXPECT_TRUE(resized.EqualBits(Fresh(network_, small, request)));

  ASSERT_TRUE(engine.SetPrecision({}).ok());
  EXPECT_EQ(engine.PlanOf(network), plan);
  const Outcome again = RunAlone(engine, request);
  EXPECT_EQ(again.cached, 4 * kPageTokens);  // what was there before is there again
  EXPECT_TRUE(again.EqualBits(full));
}

TEST_F(ResizeTest, ARunningRequestGoesOnAndSaysWhatComputedIt) {
  Engine engine(*store_, Options());
  const NetworkId network = *engine.Load(network_);
  const Request request = Ask(network, Tokens(40), 30);
  const Outcome full = RunAlone(engine, request);
  const std::uint64_t plan = engine.PlanOf(network);

  Engine resized(*store_, Options());
  Request same = request;
  same.network = *resized.Load(network_);
  const RequestId id = *resized.Submit(same);
  Outcomes outcomes;
  while (outcomes[id].ids.size() < 10) {
    Step(resized, outcomes);
  }
  ASSERT_TRUE(resized.SetPrecision(WithLevels(network_, 3)).ok());
  while (!resized.idle()) {
    Step(resized, outcomes);
  }
  const Outcome& outcome = outcomes.at(id);
  EXPECT_EQ(outcome.finish, FinishReason::kLength);
  EXPECT_EQ(outcome.ids.size(), 30u);
  EXPECT_TRUE(std::equal(full.ids.begin(), full.ids.begin() + 10, outcome.ids.begin()));
  EXPECT_FALSE(outcome.EqualBits(full));
  // The tenth token was sampled from what position 48 gave.
  EXPECT_EQ(outcome.plans,
            (decltype(outcome.plans){{plan, 0}, {resized.PlanOf(same.network), 40 + 9}}));
}

TEST_F(ResizeTest, PagesThatTwoPrecisionsMadeAreNobodysUnlessItIsAskedFor) {
  for (const bool any : {false, true}) {
    Engine engine(*store_, Options());
    const NetworkId network = *engine.Load(network_);
    Request request = Ask(network, Tokens(40), 60);
    request.any_precision = any;
    const RequestId id = *engine.Submit(request);
    Outcomes outcomes;
    while (outcomes[id].ids.size() < 12) {  // within its fourth page
      Step(engine, outcomes);
    }
    const Precision small = WithLevels(network_, 1);
    ASSERT_TRUE(engine.SetPrecision(small).ok());
    while (!engine.idle()) {
      Step(engine, outcomes);
    }
    Request next = request;
    next.prompt.insert(next.prompt.end(), outcomes[id].ids.begin(), outcomes[id].ids.end());
    next.max_tokens = 10;
    const Outcome found = RunAlone(engine, next);
    EXPECT_EQ(found.cached, any ? 6 * kPageTokens : 0);
    next.any_precision = false;
    const Outcome pure = RunAlone(engine, next);  // also beside those that asked for it
    EXPECT_TRUE(pure.EqualBits(Fresh(network_, small, next)));
    ASSERT_TRUE(engine.SetPrecision({}).ok());
    const Outcome full = RunAlone(engine, next);
    EXPECT_EQ(full.cached, any ? 0 : 3 * kPageTokens);  // those of before the resize
    EXPECT_TRUE(full.EqualBits(Fresh(network_, {}, next)));
  }
}

TEST_F(ResizeTest, WhoTakesAnyPrecisionAlsoFindsWhatItsOwnMadeForAll) {
  Engine engine(*store_, Options());
  const NetworkId network = *engine.Load(network_);
  Request request = Ask(network, Tokens(70), 20);
  RunAlone(engine, request);
  Request any = request;
  any.any_precision = true;
  any.max_tokens = 40;
  const Outcome found = RunAlone(engine, any);
  EXPECT_EQ(found.cached, 4 * kPageTokens);
  EXPECT_TRUE(found.EqualBits(Fresh(network_, {}, any)));
  // What it adds to them is named as they are: everybody of this precision may have it.
  request.prompt.insert(request.prompt.end(), found.ids.begin(), found.ids.end());
  EXPECT_EQ(RunAlone(engine, request).cached, 6 * kPageTokens);
  ASSERT_TRUE(engine.SetPrecision(WithLevels(network_, 2)).ok());
  EXPECT_EQ(RunAlone(engine, any).cached, 0);
}

TEST_F(ResizeTest, AForkOfWhoTakesAnyPrecisionLeavesItsPagesToNobodyElse) {
  Engine engine(*store_, Options());
  const NetworkId network = *engine.Load(network_);
  Request request = Ask(network, Tokens(9), 40);
  request.any_precision = true;
  const RequestId parent = *engine.Submit(request);
  Outcomes outcomes;
  while (outcomes[parent].ids.size() < 3) {  // within its first page
    Step(engine, outcomes);
  }
  const Precision small = WithLevels(network_, 1);
  ASSERT_TRUE(engine.SetPrecision(small).ok());
  Step(engine, outcomes);
  Request next = request;
  next.any_precision = false;
  next.prompt.insert(next.prompt.end(), outcomes[parent].ids.begin(), outcomes[parent].ids.end());
  const RequestId fork = *engine.Fork(parent, {}, 30, request.sampling);
  while (!engine.idle()) {
    Step(engine, outcomes);
  }
  next.prompt.insert(next.prompt.end(), outcomes[fork].ids.begin(), outcomes[fork].ids.end());
  const Outcome pure = RunAlone(engine, next);
  EXPECT_EQ(pure.cached, 0);
  EXPECT_TRUE(pure.EqualBits(Fresh(network_, small, next)));
}

TEST_F(ResizeTest, WhatWasReadAgainAfterMakingRoomIsOfOnePrecision) {
  Engine engine(*store_, Options());
  const NetworkId network = *engine.Load(network_);
  Outcomes outcomes;
  *engine.Submit(Ask(network, Tokens(60), 60));
  const Request first = Ask(network, Tokens(60), 60);
  const RequestId id = *engine.Submit(first);
  const std::uint64_t alone = engine.page_use().wanted / 2;
  engine.SetPageBudget(alone + alone / 3);  // room for both until they have said something
  while (outcomes[id].ids.size() < 5) {
    Step(engine, outcomes);
  }
  const Precision small = WithLevels(network_, 2);
  ASSERT_TRUE(engine.SetPrecision(small).ok());
  while (!engine.idle()) {
    Step(engine, outcomes);
  }
  EXPECT_GT(engine.counters().preemptions, 0u);
  EXPECT_EQ(outcomes.at(id).finish, FinishReason::kLength);
  Request next = first;
  next.prompt.insert(next.prompt.end(), outcomes[id].ids.begin(), outcomes[id].ids.end());
  next.max_tokens = 5;
  const Outcome found = RunAlone(engine, next);
  EXPECT_GT(found.cached, 70);  // of its prompt and its answer
  EXPECT_TRUE(found.EqualBits(Fresh(network_, small, next)));
}

TEST_F(ResizeTest, ANetworkThatSharesBlocksIsResizedWithThem) {
  const Network tuned = WithUpperLayersOf(network_, 2, Small(2));
  Precision precision = WithLevels(network_, 2);
  precision.merge(WithLevels(tuned, 4));  // what both have stays at 2
  Engine engine(*store_, Options());
  const NetworkId base = *engine.Load(network_);
  const NetworkId other = *engine.Load(tuned);
  const std::vector<std::int32_t> prompt = Tokens(50);
  RunAlone(engine, Ask(base, prompt, 4));
  RunAlone(engine, Ask(other, prompt, 4));
  ASSERT_TRUE(engine.SetPrecision(precision).ok());
  EXPECT_TRUE(RunAlone(engine, Ask(base, prompt, 9))
                  .EqualBits(Fresh(network_, precision, Ask(base, prompt, 9))));
  EXPECT_TRUE(RunAlone(engine, Ask(other, prompt, 9))
                  .EqualBits(Fresh(tuned, precision, Ask(other, prompt, 9))));
}

TEST_F(ResizeTest, WhateverIsResizedWhenEveryRequestOfOnePlanHasTheBitsOfThatPlan) {
  const Network recurrent = Small(5, /*recurrent=*/true);
  const Network tuned = WithUpperLayersOf(network_, 2, Small(2));
  const std::vector<const Network*> networks = {&network_, &tuned, &recurrent};
  Engine engine(*store_, Options());
  std::vector<NetworkId> ids;
  for (const Network* const network : networks) {
    ids.push_back(*engine.Load(*network));
  }
  // Of every network every tensor, or those of one of them.
  std::vector<Precision> precisions = {{}, WithLevels(network_, 2), WithLevels(recurrent, 3)};
  for (const int levels : {1, 4}) {
    Precision all;
    for (const Network* const network : networks) {
      all.merge(WithLevels(*network, levels));
    }
    precisions.push_back(all);
  }
  struct Asked {
    Request request;
    std::size_t network;
  };
  std::map<std::uint64_t, const Precision*> precision_of;  // by plan
  std::map<RequestId, Asked> asked;
  Outcomes outcomes;
  std::vector<std::vector<std::int32_t>> prefixes = {Tokens(33), Tokens(64)};
  int checked = 0;
  for (int turn = 0; turn < 400; ++turn) {
    if (turn == 0 || random_() % 24 == 0) {
      const Precision& precision = precisions[random_() % precisions.size()];
      ASSERT_TRUE(engine.SetPrecision(precision).ok());
      for (const NetworkId id : ids) {
        precision_of[engine.PlanOf(id)] = &precision;
      }
    }
    if (random_() % 16 == 0) {
      engine.SetPageBudget(random_() % (1 << 20));
    }
    if (random_() % 6 == 0) {
      const std::size_t which = random_() % networks.size();
      std::vector<std::int32_t> prompt = prefixes[random_() % 2];
      const std::vector<std::int32_t> rest = Tokens(1 + static_cast<std::int64_t>(random_() % 20));
      prompt.insert(prompt.end(), rest.begin(), rest.end());
      const Request request = Ask(ids[which], prompt, 1 + static_cast<int>(random_() % 12));
      asked.emplace(*engine.Submit(request), Asked{request, which});
    }
    Step(engine, outcomes);
  }
  engine.SetPageBudget(Options().page_bytes);
  while (!engine.idle()) {
    Step(engine, outcomes);
  }
  for (const auto& [id, one] : asked) {
    const Outcome& outcome = outcomes.at(id);
    EXPECT_EQ(outcome.finish, FinishReason::kLength);
    EXPECT_EQ(std::ssize(outcome.ids), one.request.max_tokens);
    if (outcome.plans.size() == 1 && checked < 24) {
      const Precision& precision = *precision_of.at(outcome.plans.front().first);
      EXPECT_TRUE(outcome.EqualBits(Fresh(*networks[one.network], precision, one.request)))
          << "request " << static_cast<std::uint64_t>(id);
      ++checked;
    }
  }
  EXPECT_GT(checked, 8);
}

TEST_F(ResizeTest, ASmallerBudgetOfPagesStopsNobodyWhoCouldRunAlone) {
  Engine engine(*store_, Options());
  const NetworkId network = *engine.Load(network_);
  const Request request = Ask(network, Tokens(100), 40);
  const Outcome usual = RunAlone(engine, request);
  EXPECT_GT(engine.page_use().cached, 0u);
  engine.SetPageBudget(0);
  EXPECT_EQ(engine.page_use().cached, 0u);
  EXPECT_EQ(engine.page_use().budget, 0u);
  for (int i = 0; i < 3; ++i) {
    *engine.Submit(request);
  }
  const std::uint64_t one = engine.page_use().wanted / 3;
  Outcomes outcomes;
  while (!engine.idle()) {
    Step(engine, outcomes);
    EXPECT_LE(engine.page_use().running, one);
  }
  EXPECT_EQ(outcomes.size(), 3u);
  for (const auto& [id, outcome] : outcomes) {
    EXPECT_TRUE(outcome.EqualBits(usual));
  }
}

TEST_F(ResizeTest, CachedPagesBeyondASmallerBudgetAreGivenBackWhileOthersRun) {
  Engine engine(*store_, Options());
  const NetworkId network = *engine.Load(network_);
  RunAlone(engine, Ask(network, Tokens(100), 40));
  *engine.Submit(Ask(network, Tokens(20), 60));
  Outcomes outcomes;
  Step(engine, outcomes);
  const PageUse before = engine.page_use();
  engine.SetPageBudget(before.running);
  EXPECT_EQ(engine.page_use().resident, before.resident);  // nobody waits for it
  std::uint64_t least = before.resident;                   // while it runs
  while (!engine.idle()) {
    least = std::min(least, engine.page_use().resident);
    Step(engine, outcomes);
  }
  EXPECT_LT(least, before.resident);
  EXPECT_LE(engine.page_use().resident, before.running);
}

TEST_F(ResizeTest, ARequestThatCanNeverHaveItsPagesIsRefusedWithNumbers) {
  Engine engine(*store_, Options());
  const NetworkId network = *engine.Load(network_);
  const RequestId fits = *engine.Submit(Ask(network, Tokens(100), 28));
  const std::uint64_t one = engine.page_use().wanted;
  engine.SetPageBudget(0, one);
  EXPECT_TRUE(engine.Submit(Ask(network, Tokens(100), 28)).ok());  // it waits
  const Result<RequestId> refused = engine.Submit(Ask(network, Tokens(100), 29));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kExhausted);
  EXPECT_TRUE(refused.error().message.starts_with("129 positions need "))
      << refused.error().message;
  Outcomes outcomes;
  while (!engine.idle()) {
    Step(engine, outcomes);
    EXPECT_LE(engine.page_use().running, one);
  }
  EXPECT_EQ(outcomes.at(fits).finish, FinishReason::kLength);
  EXPECT_EQ(outcomes.size(), 2u);

  Request rest = Ask(network, Tokens(100), 29);
  rest.goes_on = true;  // what it is the rest of was begun before the budget fell
  const RequestId goes_on = *engine.Submit(rest);
  while (!engine.idle()) {
    Step(engine, outcomes);
  }
  EXPECT_EQ(outcomes.at(goes_on).finish, FinishReason::kLength);
}

TEST_F(ResizeTest, WhatIsNoPrecisionOfATensorChangesNothing) {
  Engine engine(*store_, Options());
  const NetworkId network = *engine.Load(network_);
  const std::uint64_t plan = engine.PlanOf(network);
  Precision wrong = WithLevels(network_, 2);
  wrong.rbegin()->second.front().row_end = 7;
  const Status refused = engine.SetPrecision(wrong);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(engine.PlanOf(network), plan);
  EXPECT_TRUE(engine.precision().empty());
  EXPECT_EQ(RunAlone(engine, Ask(network, Tokens(9), 3)).finish, FinishReason::kLength);
}

// On another thread, all the while; once at a precision that is none any more when it is loaded.
TEST_F(ResizeTest, NetworksArePreparedWhileOthersRun) {
  const Network base = RandomLlama(*store_, {.layers = 3, .codec = "bitplane"});
  const Network other = WithUpperLayersOf(
      base, 1, RandomLlama(*store_, {.layers = 3, .codec = "bitplane", .seed = 2}));
  const Precision fewer = WithLevels(base, 2);
  const auto answer = [&](Engine& engine, NetworkId network) {
    Outcomes outcomes;
    const RequestId id = *engine.Submit(Ask(network, {1, 2, 3}, 8));
    while (!engine.idle()) {
      Step(engine, outcomes);
    }
    return outcomes.at(id);
  };
  const auto alone = [&](const Network& network, const Precision& precision) {
    Engine engine(*store_, Options());
    EXPECT_TRUE(engine.SetPrecision(precision).ok());
    return answer(engine, *engine.Load(network));
  };
  Engine engine(*store_, Options());
  const NetworkId running = *engine.Load(base);
  for (int round = 0; round < 3; ++round) {
    const Precision before = round < 2 ? Precision() : fewer;
    const Precision after = round < 1 ? Precision() : fewer;
    const Outcome expected = alone(base, before);
    std::atomic<bool> done = false;
    Result<PreparedNetwork> prepared = Invalid("not yet");
    std::thread loader([&] {
      for (int i = 0; i < 5; ++i) {  // most of them are thrown away
        prepared = engine.Prepare(other, before);
      }
      done = true;
    });
    do {
      EXPECT_TRUE(answer(engine, running).EqualBits(expected));
    } while (!done);
    loader.join();
    ASSERT_TRUE(engine.SetPrecision(after).ok());
    ASSERT_TRUE(prepared.ok()) << prepared.error().message;
    const NetworkId id = *engine.Load(*std::move(prepared));
    EXPECT_TRUE(answer(engine, id).EqualBits(alone(other, after))) << round;
    ASSERT_TRUE(engine.Unload(id).ok());
  }
}

// On another thread, while a request runs on; and made resident when nothing waits for it.
TEST_F(ResizeTest, APrecisionIsPreparedWhileRequestsRun) {
  Engine engine(*store_, Options());
  const NetworkId network = *engine.Load(network_);
  const Request request = Ask(network, Tokens(30), 200);
  std::vector<Precision> precisions = {WithLevels(network_, 2), {}, WithLevels(network_, 5)};
  Outcomes outcomes;
  const RequestId running = *engine.Submit(request);
  for (const Precision& precision : precisions) {
    Result<PreparedPrecision> prepared = Invalid("not yet");
    std::atomic<bool> done = false;
    std::thread binder([&] {
      prepared = engine.PreparePrecision(precision);
      done = true;
    });
    const std::uint64_t before = engine.PlanOf(network);
    const std::size_t most = outcomes[running].ids.size() + 50;  // it is to outlive a slow binder
    do {
      if (outcomes[running].ids.size() < most) {
        Step(engine, outcomes);
      } else {
        std::this_thread::yield();
      }
    } while (!done);
    binder.join();
    EXPECT_EQ(engine.PlanOf(network), before);
    ASSERT_TRUE(engine.SwitchTo(*prepared).ok());
    EXPECT_EQ(engine.precision(), precision);
    std::thread toucher([&, settled = *std::move(prepared)] { engine.Touch(settled); });
    Step(engine, outcomes);
    toucher.join();
  }
  while (!engine.idle()) {
    Step(engine, outcomes);
  }
  EXPECT_EQ(outcomes.at(running).finish, FinishReason::kLength);
  EXPECT_GE(outcomes.at(running).plans.size(), 2u);
  const Request next = Ask(network, Tokens(40), 9);
  EXPECT_TRUE(RunAlone(engine, next).EqualBits(Fresh(network_, precisions.back(), next)));
}

TEST_F(ResizeTest, APrecisionPreparedBeforeANetworkCameIsRefused) {
  Engine engine(*store_, Options());
  const NetworkId network = *engine.Load(network_);
  const PreparedPrecision stale = *engine.PreparePrecision(WithLevels(network_, 2));
  const Network tuned = WithUpperLayersOf(network_, 2, Small(2));
  const NetworkId other = *engine.Load(tuned);
  EXPECT_EQ(engine.SwitchTo(stale).error().code, ErrorCode::kConflict);
  EXPECT_TRUE(engine.precision().empty());
  ASSERT_TRUE(engine.Unload(other).ok());
  EXPECT_TRUE(engine.SwitchTo(stale).ok()) << "what it was prepared for is what is there again";
  const Request request = Ask(network, Tokens(40), 9);
  EXPECT_TRUE(
      RunAlone(engine, request).EqualBits(Fresh(network_, WithLevels(network_, 2), request)));
}

}  // namespace
}  // namespace ashlar
