#include "ashlar/server/service/service.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/server/service/testing_service.h"

namespace ashlar {
namespace {

using testing_networks::LlamaSpec;
using testing_networks::WithUpperLayersOf;
using testing_service::Ear;
using testing_service::Heard;
using testing_service::Spelled;
using testing_service::SpellingNetwork;

class ServiceTest : public ::testing::Test {
 protected:
  static ServiceOptions Options() {
    return {.engine = {.max_positions = 256,
                       .max_rows = 64,
                       .max_logit_rows = 16,
                       .max_sequences = 4,
                       .page_bytes = 4 << 20},
            .max_waiting = 100};
  }
  std::shared_ptr<const NetworkCard> Card(std::string name, Network network) {
    return *MakeNetworkCard(std::move(name), std::move(network), *store_);
  }
  std::unique_ptr<Service> Started(const ServiceOptions& options = Options()) {
    return *Service::Start(*store_, options);
  }
  static Generation Ask(const std::shared_ptr<const NetworkCard>& card, std::string_view prompt,
                        std::int64_t max_tokens) {
    return {.network = card,
            .prompt = Spelled(prompt),
            .max_tokens = max_tokens,
            .sampling = {.temperature = 0}};
  }
  static Heard Answer(Service& service, Generation generation) {
    Ear ear;
    const auto submitted = service.Submit(std::move(generation), ear.listener());
    CHECK(submitted.ok());
    return ear.Wait();
  }
  static Residency ResidencyOf(const Service& service, std::string_view name) {
    for (const NetworkStatus& network : service.status().networks) {
      if (network.name == name) {
        return network.residency;
      }
    }
    return Residency::kAbsent;
  }

  // The status is of the moment between two steps: what an event says may be news to it.
  static bool Becomes(const Service& service, std::string_view name, Residency residency) {
    for (int i = 0; i < 2000 && ResidencyOf(service, name) != residency; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return ResidencyOf(service, name) == residency;
  }

  std::unique_ptr<BlobStore> store_ = NewMemoryStore();
  Network base_network_ = SpellingNetwork(*store_, {});
  Network tuned_network_ =
      WithUpperLayersOf(base_network_, 2, SpellingNetwork(*store_, {.seed = 2}));
  std::shared_ptr<const NetworkCard> base_ = Card("base", base_network_);
  std::shared_ptr<const NetworkCard> tuned_ = Card("tuned", tuned_network_);
  std::shared_ptr<const NetworkCard> other_ = Card("other", SpellingNetwork(*store_, {.seed = 3}));
};

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
  EXPECT_TRUE(service->Drain(10));
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
  Ear ear;
  const GenerationId id = *service->Submit(std::move(generation), ear.listener());
  ear.WaitForTokens(3);
  service->Cancel(id);
  for (int i = 0; i < 2; ++i) {
    const Heard heard = ear.Wait(i);
    EXPECT_EQ(heard.end, GenerationEnd::kCancelled);
    EXPECT_EQ(heard.ends, 1);
  }
  EXPECT_TRUE(service->Drain(10));
  EXPECT_EQ(service->status().running, 0);
}

TEST_F(ServiceTest, ATimeoutEndsAGeneration) {
  const auto service = Started();
  Generation generation = Ask(base_, "Hello", 200);
  generation.timeout_seconds = 1e-6;
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
  for (int i = 0; i < 30; ++i) {
    ears.push_back(std::make_unique<Ear>());
    const auto submitted = service->Submit(Ask(base_, "Hello", 200), ears.back()->listener());
    if (!submitted.ok()) {
      EXPECT_EQ(submitted.error().code, ErrorCode::kConflict);
      ears.pop_back();
      ++refused;
    }
  }
  EXPECT_GE(refused, 30 - 5 - 4);
  for (const auto& ear : ears) {
    EXPECT_EQ(ear->Wait().end, GenerationEnd::kLength);
  }
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

TEST_F(ServiceTest, APinnedPrefixFollowsItsNetworkWhenItIsResized) {
  const auto levels = [&](std::string name, std::uint64_t seed) {
    return Card(
        std::move(name),
        SpellingNetwork(
            *store_,
            {.layers = 3, .codec = "bitplane", .seed = seed, .width = 256, .channels = 1024}));
  };
  const auto network = levels("levels", 5);
  ServiceOptions options = Options();
  options.weight_bytes = network->weight_bytes * 5 / 4;
  const auto service = Started(options);
  ASSERT_TRUE(service->Pin(network, true).ok());
  Generation generation = Ask(network, std::string(70, 'p'), 4);
  generation.cache_scope = "alice";
  const Result<PrefixStatus> pinned = service->PinPrefix(generation);
  ASSERT_TRUE(pinned.ok()) << pinned.error().message;
  EXPECT_EQ(pinned->positions, 64);
  const auto plan = [&]() -> std::uint64_t {
    for (const NetworkStatus& status : service->status().networks) {
      if (status.name == "levels") {
        return status.plan;
      }
    }
    return 0;
  };
  const auto becomes = [&](const std::function<bool()>& there) {
    for (int i = 0; i < 4000 && !there(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return there();
  };
  EXPECT_EQ(plan(), pinned->plan);
  const auto read_again = [&] {
    const std::vector<PrefixStatus> now = service->PinnedPrefixes();
    return now.size() == 1 && now[0].id == pinned->id && now[0].positions == 64 &&
           now[0].plan == plan() && service->status().page_bytes_pinned == pinned->bytes;
  };
  EXPECT_TRUE(becomes(read_again));

  const auto more = levels("more", 6);
  ASSERT_TRUE(service->Pin(more, true).ok());  // there is no room for all levels of both
  ASSERT_TRUE(becomes([&] { return plan() != pinned->plan; }));
  EXPECT_TRUE(becomes(read_again));
  generation.prompt.push_back(3);
  EXPECT_EQ(Answer(*service, generation).usage.cached_tokens, 64);

  ASSERT_TRUE(service->Pin(more, false).ok());
  ASSERT_TRUE(service->Unload("more").ok());  // its levels return
  ASSERT_TRUE(becomes([&] { return plan() == pinned->plan; }));
  EXPECT_TRUE(becomes(read_again));
  EXPECT_TRUE(service->UnpinPrefix(pinned->id).ok());
  EXPECT_TRUE(becomes([&] { return service->status().page_bytes_held == 0; }));
}

TEST_F(ServiceTest, APrefixIsCachedWithinItsScope) {
  const auto service = Started();
  const std::string prompt(65, 'x');
  const auto cached = [&](const std::string& scope) {
    Generation generation = Ask(base_, prompt, 1);
    generation.cache_scope = scope;
    return Answer(*service, std::move(generation)).usage.cached_tokens;
  };
  EXPECT_EQ(cached("ann"), 0);
  EXPECT_EQ(cached("bob"), 0);
  EXPECT_EQ(cached("ann"), 64);
  EXPECT_EQ(cached(""), 0);
}

TEST_F(ServiceTest, APinnedPrefixStaysCachedForItsScope) {
  ServiceOptions options = Options();
  options.engine.page_bytes = 256 << 10;
  const auto service = Started(options);
  const std::string system(100, 's');
  Generation generation = Ask(base_, system, 0);
  generation.cache_scope = "ann";
  const Result<PrefixStatus> pinned = service->PinPrefix(generation);
  ASSERT_TRUE(pinned.ok()) << pinned.error().message;
  EXPECT_EQ(pinned->tokens, 100);
  EXPECT_EQ(pinned->positions, 96);
  for (int i = 0; i < 8; ++i) {
    Answer(*service, Ask(base_, std::string(90, static_cast<char>('a' + i)), 20));
  }
  generation.prompt = Spelled(system + "more");
  generation.max_tokens = 2;
  EXPECT_EQ(Answer(*service, generation).usage.cached_tokens, 96);
  ASSERT_EQ(service->PinnedPrefixes().size(), 1u);
  EXPECT_EQ(service->PinnedPrefixes()[0].network, "base");
  generation.prompt = Spelled(std::string(180, 'l'));
  EXPECT_EQ(service->PinPrefix(generation).error().code, ErrorCode::kExhausted);
  EXPECT_TRUE(service->UnpinPrefix(pinned->id).ok());
  EXPECT_EQ(service->UnpinPrefix(pinned->id).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(service->PinnedPrefixes().empty());
  service->Drain(10);
  EXPECT_EQ(service->PinPrefix(generation).error().code, ErrorCode::kConflict);
}

TEST_F(ServiceTest, ASavedSessionIsFoundByAnotherService) {
  const std::string prompt(70, 'x');
  Generation generation = Ask(base_, prompt, 12);
  Session session;
  Heard before;
  {
    const auto service = Started();
    before = Answer(*service, generation);
    session = *service->SaveSession(generation);
  }
  const auto service = Started();
  ASSERT_EQ(*service->RestoreSession(base_, session, ""), 64);
  const Heard after = Answer(*service, generation);
  EXPECT_EQ(after.usage.cached_tokens, 64);
  EXPECT_EQ(after.ids(), before.ids());
  EXPECT_EQ(service->RestoreSession(tuned_, session, "").error().code, ErrorCode::kInvalid);
}

TEST_F(ServiceTest, NetworksAreLoadedWhenTheyAreAskedFor) {
  const auto service = Started();
  EXPECT_TRUE(Becomes(*service, "base", Residency::kAbsent));
  Answer(*service, Ask(base_, "Hello", 1));
  EXPECT_TRUE(Becomes(*service, "base", Residency::kLoaded));
  EXPECT_TRUE(service->Unload("base").ok());
  EXPECT_EQ(service->Unload("base").error().code, ErrorCode::kNotFound);
}

TEST_F(ServiceTest, TwoNetworksOverOneBaseCostTheDifference) {
  const auto service = Started();
  ASSERT_TRUE(service->Load(base_).ok());
  ASSERT_TRUE(service->Load(tuned_).ok());
  const auto settled = [&] {
    return service->status().resident_weight_bytes > base_->weight_bytes;
  };
  for (int i = 0; i < 1000 && !settled(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const ServiceStatus status = service->status();
  EXPECT_LT(status.resident_weight_bytes, base_->weight_bytes + tuned_->weight_bytes * 3 / 4);
  EXPECT_EQ(status.networks.size(), 2u);
  for (const NetworkStatus& network : status.networks) {
    EXPECT_EQ(status.resident_weight_bytes - network.unique_bytes,
              network.name == "base" ? tuned_->weight_bytes : base_->weight_bytes);
  }
}

TEST_F(ServiceTest, ANetworkInTwoFormatsOfStateCostsItsWeightsOnce) {
  const auto service = Started();
  const auto narrow = *MakeNetworkCard("base", base_network_, *store_, nullptr, KvFormat::kQ8);
  ASSERT_TRUE(service->Load(base_).ok());
  ASSERT_TRUE(service->Load(narrow).ok());
  EXPECT_TRUE(Becomes(*service, "base", Residency::kLoaded));
  const ServiceStatus status = service->status();
  EXPECT_EQ(status.networks.size(), 2u);
  EXPECT_EQ(status.resident_weight_bytes, base_->weight_bytes);
  const std::string prompt(65, 'x');
  for (const std::int64_t cached : {0, 64}) {
    EXPECT_EQ(Answer(*service, Ask(base_, prompt, 4)).usage.cached_tokens, cached);
    EXPECT_EQ(Answer(*service, Ask(narrow, prompt, 4)).usage.cached_tokens, cached);
  }
  EXPECT_TRUE(service->Unload("base").ok());
  EXPECT_TRUE(Becomes(*service, "base", Residency::kAbsent));
}

TEST_F(ServiceTest, AnUnusedNetworkMakesRoomForOneThatIsAskedFor) {
  ServiceOptions options = Options();
  options.weight_bytes = base_->weight_bytes * 3 / 2;
  const auto service = Started(options);
  Answer(*service, Ask(base_, "Hello", 1));
  Answer(*service, Ask(other_, "Hello", 1));
  EXPECT_TRUE(Becomes(*service, "base", Residency::kAbsent));
  EXPECT_TRUE(Becomes(*service, "other", Residency::kLoaded));
  ASSERT_TRUE(service->Pin(other_, true).ok());
  const Heard refused = Answer(*service, Ask(base_, "Hello", 1));
  ASSERT_TRUE(refused.error.has_value());
  EXPECT_EQ(refused.error->code, ErrorCode::kExhausted);
  ASSERT_TRUE(service->Pin(other_, false).ok());
  EXPECT_EQ(Answer(*service, Ask(base_, "Hello", 1)).end, GenerationEnd::kLength);
}

TEST_F(ServiceTest, ANetworkThatNobodyUsesIsUnloadedAfterAWhile) {
  ServiceOptions options = Options();
  options.keep_alive_seconds = 0.01;
  const auto service = Started(options);
  Answer(*service, Ask(base_, "Hello", 1));
  EXPECT_TRUE(Becomes(*service, "base", Residency::kAbsent));
}

TEST_F(ServiceTest, ANetworkWhoseWeightsAreGoneFailsAloneAndSaysWhy) {
  const auto service = Started();
  Network damaged = base_network_;
  const auto [digest, block] = *damaged.blocks.begin();
  Block changed = *block;
  changed.tensors.begin()->second.levels[0].blob = *Digest::ParseHex(std::string(64, 'a'));
  const Digest added = damaged.AddBlock(changed);
  for (Node& node : damaged.nodes) {
    node.block = node.block == digest ? added : node.block;
  }
  damaged.Prune();
  const auto card = Card("damaged", damaged);
  const Heard failed = Answer(*service, Ask(card, "Hello", 1));
  ASSERT_TRUE(failed.error.has_value());
  EXPECT_NE(failed.error->message.find("damaged"), std::string::npos) << failed.error->message;
  EXPECT_TRUE(Becomes(*service, "damaged", Residency::kFailed));
  EXPECT_EQ(Answer(*service, Ask(base_, "Hello", 1)).end, GenerationEnd::kLength);
}

// In counted rows, since a clock would measure the machine: what a step may read of prompts while
// others decode begins with four rows, and grows by a quarter at most from one step to another.
TEST_F(ServiceTest, StreamsGoOnWhileALongPromptIsRead) {
  std::mutex mutex;
  std::vector<StepWork> steps;
  const auto service =
      *Service::Start(*store_, Options(), {.on_step = [&](double, const StepWork& work) {
        const std::lock_guard lock(mutex);
        steps.push_back(work);
      }});
  Ear ears[2];
  for (Ear& ear : ears) {
    ASSERT_TRUE(service->Submit(Ask(base_, "One of two", 240), ear.listener()).ok());
    ear.WaitForTokens(3);
  }
  Answer(*service, Ask(base_, std::string(200, 'x'), 1));
  for (Ear& ear : ears) {
    EXPECT_EQ(ear.Wait().end, GenerationEnd::kLength);
  }
  const std::lock_guard lock(mutex);
  const auto both = std::ranges::find(steps, 2, &StepWork::decoding_rows);
  std::int64_t most = 0;
  std::int64_t without = 0;  // steps since one that only decoded
  std::int64_t read = 0;
  for (auto step = steps.begin(); step != both; ++step) {
    most = std::max(most, step->prompt_rows);
  }
  for (auto step = both; step != steps.end(); ++step) {
    if (step->decoding_rows < 2 || step->prompt_rows == 0) {
      without = 0;
      continue;
    }
    EXPECT_LE(++without, 16);
    EXPECT_LE(step->prompt_rows, std::max<std::int64_t>(4, most + (most + 3) / 4));
    most = std::max(most, step->prompt_rows);
    read += step->prompt_rows;
  }
  EXPECT_GE(read, 199);
}

TEST_F(ServiceTest, DrainingRefusesWhatIsNewAndLetsTheRestEnd) {
  const auto service = Started();
  Ear ear;
  ASSERT_TRUE(service->Submit(Ask(base_, "Hello", 100), ear.listener()).ok());
  std::thread drain([&] { EXPECT_TRUE(service->Drain(100)); });
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
  EXPECT_TRUE(service->Drain(10));
  EXPECT_LE(service->status().resident_weight_bytes, options.weight_bytes);
}

}  // namespace
}  // namespace ashlar
