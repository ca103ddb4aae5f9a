#include "ashlar/server/service/service.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/clock.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/base/test_time.h"
#include "ashlar/plan/plan.h"
#include "ashlar/server/service/testing_service_fixture.h"

namespace ashlar {
namespace {

using testing_service::Ear;
using testing_service::Heard;

class ServiceTest : public testing_service::ServiceFixture {};

TEST_F(ServiceTest, TheTextIsThatOfItsTokens) {
  const auto service = Started();
  const Heard heard = Answer(*service, Ask(base_, "Hello", 30));
  EXPECT_EQ(heard.end, GenerationEnd::kLength);
  EXPECT_EQ(heard.tokens.size(), 30u);
  EXPECT_EQ(heard.text, base_->tokenizer->Decode(heard.ids()));
  EXPECT_EQ(heard.usage.prompt_tokens, 5);
  EXPECT_EQ(heard.usage.completion_tokens, 30);
  EXPECT_EQ(heard.ends, 1);
}

TEST_F(ServiceTest, AStopStringEndsTheTextBeforeIt) {
  const auto service = Started();
  const Heard whole = Answer(*service, Ask(base_, "Hello", 30));
  Generation generation = Ask(base_, "Hello", 30);
  generation.stop = {whole.text.substr(10, 3), "not in it, surely"};
  const Heard stopped = Answer(*service, std::move(generation));
  EXPECT_EQ(stopped.end, GenerationEnd::kStop);
  EXPECT_EQ(stopped.stop_string, whole.text.substr(10, 3));
  EXPECT_EQ(stopped.text, whole.text.substr(0, whole.text.find(stopped.stop_string)));
  EXPECT_FALSE(stopped.spoke_after_its_end);
  EXPECT_TRUE(service->Drain(600));
}

TEST_F(ServiceTest, ContinuationsShareThePromptAndDrawApart) {
  const auto service = Started();
  Generation generation = Ask(base_, std::string(64, 'x'), 20);
  generation.sampling = {.temperature = 1, .seed = 7};
  generation.continuations = 3;
  Ear ear;
  ASSERT_TRUE(service->Submit(generation, ear.listener()).ok());
  std::set<std::string> texts;
  for (int i = 0; i < 3; ++i) {
    const Heard heard = ear.Wait(i);
    texts.insert(heard.text);
    Generation alone = Ask(base_, std::string(64, 'x'), 20);
    alone.sampling = {.temperature = 1, .seed = 7u + i};
    EXPECT_EQ(Answer(*service, std::move(alone)).text, heard.text);
  }
  EXPECT_EQ(texts.size(), 3u);
}

TEST_F(ServiceTest, CancellingEndsAllContinuationsOnce) {
  const auto service = Started();
  Generation generation = Ask(base_, "Hello", 200);
  generation.continuations = 2;
  brake_.After(10);
  Ear ear;
  const GenerationId id = *service->Submit(std::move(generation), ear.listener());
  ear.WaitForTokens(3);
  service->Cancel(id);
  brake_.Release();
  for (int i = 0; i < 2; ++i) {
    const Heard heard = ear.Wait(i);
    EXPECT_EQ(heard.end, GenerationEnd::kCancelled);
    EXPECT_EQ(heard.ends, 1);
  }
  EXPECT_TRUE(service->Drain(600));
  EXPECT_EQ(service->status().running, 0);
}

TEST_F(ServiceTest, ATimeoutEndsAGeneration) {
  const auto service = Started();
  Generation generation = Ask(base_, "Hello", 200);
  generation.deadline_micros = SteadyClock().NowMicros() + 1;
  EXPECT_EQ(Answer(*service, std::move(generation)).end, GenerationEnd::kTimeout);
}

TEST_F(ServiceTest, WhatCannotBeIsRefusedAtOnce) {
  const auto service = Started();
  Ear ear;
  const auto refused = [&](Generation generation, std::string_view words) {
    const auto submitted = service->Submit(std::move(generation), ear.listener());
    ASSERT_FALSE(submitted.ok());
    EXPECT_NE(submitted.error().message.find(words), std::string::npos)
        << submitted.error().message;
  };
  refused(Ask(base_, "", 3), "prompt is empty");
  refused(Ask(base_, "Hello", 252), "context of 256");
  refused(Ask(base_, "Hello", -1), "max_tokens");
  Generation generation = Ask(base_, "Hello", 3);
  generation.continuations = 0;
  refused(generation, "continuations");
  generation = Ask(base_, "Hello", 3);
  generation.sampling.top_p = 7;
  refused(generation, "top_p");
  generation = Ask(base_, "Hello", 3);
  generation.prompt[2] = 96;
  refused(generation, "token 2 is 96");
  generation = Ask(base_, "Hello", 3);
  generation.embedding = Pooling::kMean;
  refused(generation, "embedding");
  generation = Ask(base_, "Hello", 3);
  generation.min_tokens = 4;
  refused(generation, "min_tokens");
  generation = Ask(base_, "Hello", 3);
  generation.allowed_tokens = {96};
  refused(generation, "allowed_tokens");
  generation = Ask(base_, "Hello", 3);
  generation.bad_words = {{1}, {}};
  refused(generation, "bad_words");
}

TEST_F(ServiceTest, TheQueueIsBounded) {
  ServiceOptions options = Options();
  options.max_waiting = 5;
  const auto service = Started(options);
  std::vector<std::unique_ptr<Ear>> ears;
  int refused = 0;
  brake_.After(10);
  for (int i = 0; i < 30; ++i) {
    ears.push_back(std::make_unique<Ear>());
    const auto submitted = service->Submit(Ask(base_, "Hello", 200), ears.back()->listener());
    if (!submitted.ok()) {
      EXPECT_EQ(submitted.error().code, ErrorCode::kConflict);
      ears.pop_back();
      ++refused;
    }
  }
  brake_.Release();
  EXPECT_GE(refused, 30 - 5 - 4);
  for (const auto& ear : ears) {
    EXPECT_EQ(ear->Wait().end, GenerationEnd::kLength);
  }
}

TEST_F(ServiceTest, ARequestThatHasJoinedTheQueueIsNotRefusedInItsMiddle) {
  ServiceOptions options = Options();
  options.max_waiting = 1;
  const auto service = Started(options);
  const auto begun = *service->BeginRequest();
  const auto other = *service->BeginRequest();
  Generation many = Ask(base_, "Hello", 200);
  many.continuations = 32;
  Ear ear;
  brake_.After(10);  // so that they are still there when others ask
  ASSERT_TRUE(service->Submit(many, ear.listener(), begun.get()).ok());
  Ear rest;
  EXPECT_EQ(service->Submit(Ask(base_, "Hello", 4), rest.listener(), other.get()).error().code,
            ErrorCode::kConflict)
      << "a request that has none there yet";
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(service->Submit(Ask(base_, "Hello", 4), rest.listener(), begun.get()).ok());
  }
  brake_.Release();
  EXPECT_EQ(rest.Wait().end, GenerationEnd::kLength);
  service->Drain(0);
}

TEST_F(ServiceTest, WhatWasBegunGoesOnWhenMemoryGetsShort) {
  ServiceOptions options = Options();
  options.memory_bytes = std::uint64_t{1} << 40;
  const auto service = Started(options);
  ASSERT_TRUE(service->Load(base_).ok());
  const auto request = *service->BeginRequest();
  Ear ear;
  Ear rest;
  Generation generation = Ask(base_, std::string(200, 'p'), 40);
  generation.continuations = 2;  // the second follows when the first has read the prompt
  brake_.After(1);
  ASSERT_TRUE(service->Submit(generation, ear.listener(), request.get()).ok());
  ASSERT_TRUE(Eventually([&] { return service->status().engine.rows > 0; }));
  const std::uint64_t state = SequencePageBytes(base_->network, 240, base_->kv_format);
  const auto set = service->SetBudget(service->status().budget.floor_bytes - state / 2);
  ASSERT_TRUE(set.ok()) << set.error().message;
  ASSERT_TRUE(Eventually([&] { return service->status().budget.full; }));
  EXPECT_FALSE(service->BeginRequest().ok());
  ASSERT_TRUE(service->Submit(generation, rest.listener(), request.get()).ok());
  brake_.Release();
  for (const int continuation : {0, 1}) {
    EXPECT_EQ(ear.Wait(continuation).end, GenerationEnd::kLength);
    EXPECT_EQ(rest.Wait(continuation).end, GenerationEnd::kLength);
  }
}

TEST_F(ServiceTest, OneTenantDoesNotFillTheQueueForOthers) {
  ServiceOptions options = Options();
  options.max_waiting = 8;
  const auto service = Started(options);
  const auto asked_by = [&](std::string tenant, int continuations) {
    Generation generation = Ask(base_, "Hello", 200);
    generation.tenant = std::move(tenant);
    generation.continuations = continuations;
    return generation;
  };
  // The modest ones are through long before; the greedy one's answers take 200 steps, four at once.
  brake_.After(2500);
  Ear greedy;
  ASSERT_TRUE(service->Submit(asked_by("greedy", 128), greedy.listener()).ok());
  const auto more = service->Submit(asked_by("greedy", 1), greedy.listener());
  ASSERT_FALSE(more.ok());
  EXPECT_EQ(more.error().code, ErrorCode::kConflict);
  EXPECT_GE(service->RetrySeconds("greedy"), 1);
  EXPECT_LE(service->RetrySeconds("greedy"), 60);
  Ear modest[4];
  for (Ear& ear : modest) {
    ASSERT_TRUE(service->Submit(asked_by("modest", 1), ear.listener()).ok());
  }
  for (Ear& ear : modest) {
    EXPECT_EQ(ear.Wait().end, GenerationEnd::kLength);
  }
  EXPECT_GT(service->status().waiting, 8) << "those of the other still wait";
  service->Drain(0);
  EXPECT_EQ(service->status().waiting, 0);
}

// A limit that thinks long before it allows anything.
class SlowConstraint final : public TokenConstraint {
 public:
  static constexpr std::chrono::milliseconds kThinks{200};
  Result<std::span<const std::uint64_t>> Allowed() override {
    std::this_thread::sleep_for(kThinks);
    return std::span<const std::uint64_t>(all_);
  }
  Status Accept(std::int32_t) override { return {}; }
  bool finished() const override { return false; }

 private:
  const std::vector<std::uint64_t> all_ = {~std::uint64_t{0}, ~std::uint64_t{0}};
};

TEST_F(ServiceTest, TheFirstStepIsNoTimeInTheQueue) {
  const auto service = Started();
  ASSERT_TRUE(service->Load(base_).ok());
  Generation generation = Ask(base_, "Hello", 1);
  generation.constraint = [] { return std::make_unique<SlowConstraint>(); };
  const Heard heard = Answer(*service, generation);
  EXPECT_EQ(heard.end, GenerationEnd::kLength);
  constexpr double kStep = std::chrono::duration<double>(SlowConstraint::kThinks).count();
  EXPECT_GE(heard.usage.prompt_seconds, kStep);
  EXPECT_LE(heard.usage.queue_seconds, heard.usage.total_seconds - kStep);
}

TEST_F(ServiceTest, TheTokenThatEndsAnAnswerIsToldAndNoneOfItsTokens) {
  const auto service = Started();
  Generation generation = Ask(base_, "Hello", 8);
  generation.sampling.top_logprobs = 0;
  const Heard whole = Answer(*service, generation);
  EXPECT_FALSE(whole.stop_token.has_value());
  const std::vector<std::int32_t> ids = whole.ids();
  const auto first = std::ranges::find(ids, ids.back()) - ids.begin();
  generation.stop_tokens = {ids.back()};
  const Heard stopped = Answer(*service, generation);
  EXPECT_EQ(stopped.end, GenerationEnd::kStop);
  EXPECT_EQ(std::ssize(stopped.tokens), first);
  ASSERT_TRUE(stopped.stop_token.has_value());
  EXPECT_EQ(stopped.stop_token->token, ids.back());
  EXPECT_EQ(stopped.stop_token->logprob, whole.tokens[static_cast<std::size_t>(first)].logprob);
}

TEST_F(ServiceTest, PromptLogprobsAreThoseOfThePromptsOwnTokens) {
  const auto service = Started();
  Generation generation = Ask(base_, "Hello, world. Hello, world.", 1);
  generation.prompt_logprobs = 2;
  const Heard heard = Answer(*service, generation);
  ASSERT_EQ(heard.prompt_logprobs.size(), generation.prompt.size());
  EXPECT_FALSE(heard.prompt_logprobs[0].logprob.has_value());
  for (std::size_t i = 0; i < generation.prompt.size(); ++i) {
    EXPECT_EQ(heard.prompt_logprobs[i].token, generation.prompt[i]);
  }
  // The same probability as when the token is drawn after what stands before it.
  Generation drawn = Ask(base_, "Hello, wo", 1);
  drawn.sampling.top_logprobs = 96;
  const Heard next = Answer(*service, drawn);
  for (const TokenLogprob& token : next.tokens[0].top) {
    if (token.token == generation.prompt[9]) {
      EXPECT_NEAR(token.logprob, *heard.prompt_logprobs[9].logprob, 1e-5);
    }
  }
  EXPECT_EQ(next.tokens[0].token, heard.prompt_logprobs[9].top[0].token);
}

TEST_F(ServiceTest, AnEmbeddingIsOfAllTokensOfThePrompt) {
  const auto service = Started();
  const auto embedding = [&](std::string_view prompt, Pooling pooling) {
    Generation generation = Ask(base_, prompt, 0);
    generation.embedding = pooling;
    const Heard heard = Answer(*service, std::move(generation));
    EXPECT_EQ(heard.end, GenerationEnd::kLength);
    EXPECT_EQ(heard.embedding.size(), 64u);
    return heard.embedding;
  };
  EXPECT_EQ(base_->hidden_width, 64);
  const std::vector<float> first = embedding("Hel", Pooling::kCls);
  EXPECT_EQ(embedding("Hello, world", Pooling::kCls), first);
  const std::vector<float> second = embedding("He", Pooling::kLast);
  const std::vector<float> mean = embedding("He", Pooling::kMean);
  for (std::size_t i = 0; i < mean.size(); ++i) {
    EXPECT_FLOAT_EQ(mean[i], (first[i] + second[i]) / 2);
  }
}

// Greedy, so that each limit changes what would have been said.
TEST_F(ServiceTest, LimitsOfTokensHoldInWhatIsSaid) {
  const auto service = Started();
  const auto said = [&](const auto& limit) {
    Generation generation = Ask(base_, "Hello", 12);
    generation.sampling.temperature = 0;
    limit(generation);
    return Answer(*service, std::move(generation));
  };
  const Heard free = said([](Generation&) {});
  const std::vector<std::int32_t> ids = free.ids();
  ASSERT_EQ(ids.size(), 12u);
  const auto ends = [&](Generation& generation) { generation.stop_tokens = ids; };
  EXPECT_EQ(said(ends).tokens.size(), 0u);
  const Heard later = said([&](Generation& generation) {
    ends(generation);
    generation.min_tokens = 5;
  });
  EXPECT_GE(later.tokens.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(std::ranges::count(ids, later.ids()[i]), 0);
  }
  const std::string one(free.text.substr(0, 1));
  EXPECT_EQ(said([&](Generation& generation) { generation.stop = {one}; }).text, "");
  const Heard past = said([&](Generation& generation) {
    generation.stop = {one};
    generation.min_tokens = 1;
  });
  EXPECT_EQ(past.text.substr(0, 1), one);
  const Heard other = said([&](Generation& generation) {
    generation.bad_words = {{ids[0], ids[1]}};
  });
  EXPECT_EQ(other.ids()[0], ids[0]);
  EXPECT_NE(other.ids()[1], ids[1]);
  const Heard few = said([](Generation& generation) { generation.allowed_tokens = {3, 5}; });
  for (const std::int32_t id : few.ids()) {
    EXPECT_TRUE(id == 3 || id == 5);
  }
  const Heard none = said([](Generation& generation) {
    generation.allowed_tokens = {3};
    generation.bad_words = {{3}};
  });
  EXPECT_EQ(none.end, GenerationEnd::kFailed);
  EXPECT_EQ(none.error->code, ErrorCode::kInvalid);
}

TEST_F(ServiceTest, DrainingRefusesWhatIsNewAndLetsTheRestEnd) {
  const auto service = Started();
  Ear ear;
  ASSERT_TRUE(service->Submit(Ask(base_, "Hello", 100), ear.listener()).ok());
  std::thread drain([&] { EXPECT_TRUE(service->Drain(600)); });
  EXPECT_EQ(ear.Wait().end, GenerationEnd::kLength);
  drain.join();
  EXPECT_TRUE(service->draining());
  EXPECT_EQ(service->Submit(Ask(base_, "Hello", 1), ear.listener()).error().code,
            ErrorCode::kConflict);
}

TEST_F(ServiceTest, DrainingWithoutPatienceCancels) {
  const auto service = Started();
  Ear ear;
  Generation generation = Ask(base_, "Hello", 250);
  generation.continuations = 100;
  brake_.After(10);
  ASSERT_TRUE(service->Submit(std::move(generation), ear.listener()).ok());
  ear.WaitForTokens(1);
  EXPECT_FALSE(service->Drain(0));
  EXPECT_EQ(ear.Wait(99).end, GenerationEnd::kCancelled);
}

TEST_F(ServiceTest, EndingTheServiceEndsWhatRuns) {
  Ear ear;
  {
    const auto service = Started();
    ASSERT_TRUE(service->Submit(Ask(base_, "Hello", 250), ear.listener()).ok());
  }
  EXPECT_EQ(ear.Wait().ends, 1);
}

// Random generations on three networks from several threads, some cancelled, in a budget that does
// not hold all of the networks: each that is not cancelled says what it says alone.
TEST_F(ServiceTest, EachAnswerIsTheSameAsAlone) {
  ServiceOptions options = Options();
  options.weight_bytes = base_->weight_bytes * 7 / 4;
  const std::shared_ptr<const NetworkCard> cards[] = {base_, tuned_, other_};
  struct Case {
    Generation generation;
    std::string alone;
  };
  std::mt19937_64 random(TestSeed());
  std::vector<Case> cases;
  {
    const auto service = Started();
    for (int i = 0; i < 60; ++i) {
      Generation generation = Ask(cards[random() % 3], std::string(1 + random() % 60, 'a' + i % 3),
                                  1 + static_cast<std::int64_t>(random() % 30));
      generation.sampling = {.temperature = 1, .seed = random() % 1000};
      generation.tenant = std::string(1, static_cast<char>('a' + random() % 3));
      generation.priority = static_cast<int>(random() % 2);
      const std::string alone = Answer(*service, generation).text;
      cases.push_back({std::move(generation), alone});
    }
  }
  const auto service = Started(options);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::vector<std::unique_ptr<Ear>> ears;
      std::vector<std::size_t> asked;
      for (std::size_t i = t; i < cases.size(); i += 4) {
        ears.push_back(std::make_unique<Ear>());
        asked.push_back(i);
        const auto id = service->Submit(cases[i].generation, ears.back()->listener());
        ASSERT_TRUE(id.ok()) << id.error().message;
        if (i % 7 == 0) {
          service->Cancel(*id);
        }
      }
      for (std::size_t i = 0; i < ears.size(); ++i) {
        const Heard heard = ears[i]->Wait();
        if (heard.end != GenerationEnd::kCancelled) {
          EXPECT_EQ(heard.end, GenerationEnd::kLength);
          EXPECT_EQ(heard.text, cases[asked[i]].alone);
        }
        EXPECT_EQ(heard.ends, 1);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_TRUE(service->Drain(600));
  EXPECT_LE(service->status().resident_weight_bytes, options.weight_bytes);
}

}  // namespace
}  // namespace ashlar
