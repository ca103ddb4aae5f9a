// A request's results do not depend on its neighbours, on threads, on how its prompt is cut, on
// what is cached, or on having to make room: to the bit.
#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/sanitized.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/testing_networks.h"

namespace ashlar {
namespace {

using testing_networks::RandomLlama;
using testing_networks::RandomTokens;
using testing_networks::StepOf;
using testing_networks::WithLayers;
using testing_networks::WithUpperLayersOf;

constexpr std::int64_t kVocabulary = 96;

// All that a request was given: tokens, the log-probabilities of the whole vocabulary at each, and
// the logits of the prompt when asked for.
struct Outcome {
  std::vector<std::int32_t> tokens;
  std::vector<float> numbers;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

void Append(const Delivery& delivery, Outcome& outcome) {
  outcome.numbers.insert(outcome.numbers.end(), delivery.logits.begin(), delivery.logits.end());
  if (delivery.token.has_value()) {
    outcome.tokens.push_back(delivery.token->token);
    std::vector<float> by_token(kVocabulary);
    for (const TokenLogprob& each : delivery.token->top) {
      by_token[each.token] = each.logprob;
    }
    outcome.numbers.insert(outcome.numbers.end(), by_token.begin(), by_token.end());
  }
}

// Whose numbers: results differ between these, and never within one.
struct Numerics {
  Isa isa;
  KvFormat kv_format;
};

class ExactnessTest : public ::testing::TestWithParam<Numerics> {
 protected:
  ExactnessTest() {
    const Network base = RandomLlama(*store_, {.layers = 3});
    const Network tuned =
        WithUpperLayersOf(base, 2, RandomLlama(*store_, {.layers = 3, .seed = 2}));
    Network sliced = base;
    sliced.nodes[4].slice = {{"channels", 64}};
    // Attention and MLP side by side, over learned positions.
    Network parallel =
        RandomLlama(*store_, {.layers = 2, .codec = "q4", .seed = 4, .positions = 128});
    for (const int mlp : {2, 4}) {
      parallel.nodes[mlp].inputs["x"] = {{mlp - 2, 1.0}};
    }
    const Network mixture = RandomLlama(
        *store_,
        {.layers = 2, .codec = "q8", .seed = 5, .channels = 64, .experts = 5, .latent = true});
    const Network recurrent =
        RandomLlama(*store_, {.layers = 3, .codec = "q8", .seed = 6, .recurrent = true});
    const Network recurrent_tuned = WithUpperLayersOf(
        recurrent, 1,
        RandomLlama(*store_, {.layers = 3, .codec = "q8", .seed = 7, .recurrent = true}));
    networks_ = {base,
                 tuned,
                 sliced,
                 WithLayers(base, std::vector{0, 2}),
                 WithLayers(tuned, std::vector{0, 1, 1, 2}),
                 RandomLlama(*store_, {.layers = 2, .codec = "q8", .seed = 3, .window = 20}),
                 parallel,
                 mixture,
                 WithLayers(mixture, std::vector{1, 1}),
                 recurrent,
                 recurrent_tuned,
                 WithLayers(recurrent, std::vector{2, 0})};
  }

  EngineOptions Options() const {
    return {.threads = 1,
            .isa = GetParam().isa,
            .max_positions = 128,
            .max_rows = 128,
            .max_logit_rows = 128,
            .max_sequences = 4,
            .page_bytes = 4 << 20,
            .kv_format = GetParam().kv_format,
            .prefix_cache = false};
  }
  // Networks are loaded in order, so NetworkId{i} is networks_[i].
  void LoadAll(Engine& engine) const {
    for (const Network& network : networks_) {
      ASSERT_TRUE(engine.Load(network).ok());
    }
  }
  // In an engine that holds no other network either.
  Outcome Alone(Request request) const {
    Engine engine(*store_, Options());
    EXPECT_TRUE(engine.Load(networks_[static_cast<std::size_t>(request.network)]).ok());
    request.network = NetworkId{0};
    EXPECT_TRUE(engine.Submit(request).ok());
    Outcome outcome;
    while (!engine.idle()) {
      for (const Delivery& delivery : StepOf(engine)) {
        Append(delivery, outcome);
      }
    }
    return outcome;
  }
  std::vector<Request> RandomRequests(std::mt19937_64& random, int count) const {
    const std::vector<std::int32_t> common = RandomTokens(random, 40, kVocabulary);
    std::vector<Request> requests;
    for (int i = 0; i < count; ++i) {
      // Half of them begin alike, and are of two networks, so that some find all of the beginning.
      std::vector<std::int32_t> prompt(common.begin(), common.begin() + (i % 2) * 40);
      const auto more = RandomTokens(random, 1 + static_cast<std::int64_t>(random() % 30), 96);
      prompt.insert(prompt.end(), more.begin(), more.end());
      requests.push_back({.network = NetworkId{static_cast<std::uint32_t>(
                              random() % (i % 2 == 1 ? 2 : networks_.size()))},
                          .prompt = prompt,
                          .max_tokens = static_cast<std::int64_t>(1 + random() % 20),
                          .sampling = {.temperature = i % 3 == 0 ? 0.0f : 1.0f,
                                       .seed = random(),
                                       .top_logprobs = kVocabulary},
                          .prompt_logits = i % 5 == 4});
    }
    return requests;
  }
  // Runs all requests in one engine; each arrives after a random number of steps.
  std::vector<Outcome> Together(const std::vector<Request>& requests, const EngineOptions& options,
                                std::mt19937_64& random, EngineCounters& counters) const {
    Engine engine(*store_, options);
    LoadAll(engine);
    std::vector<Outcome> outcomes(requests.size());
    std::map<RequestId, std::size_t> index;
    std::size_t next = 0;
    while (next < requests.size() || !engine.idle()) {
      while (next < requests.size() && (engine.idle() || random() % 3 == 0)) {
        const Result<RequestId> id = engine.Submit(requests[next]);
        EXPECT_TRUE(id.ok()) << id.error().message;
        index[*id] = next++;
      }
      for (const Delivery& delivery : StepOf(engine)) {
        Append(delivery, outcomes[index.at(delivery.request)]);
      }
    }
    counters = engine.counters();
    return outcomes;
  }

  std::unique_ptr<BlobStore> store_ = NewMemoryStore();
  std::vector<Network> networks_;
};

TEST_P(ExactnessTest, InAnyCompanyWithAnyThreadsChunksCachesAndRoom) {
  std::mt19937_64 random(TestSeed());
  const std::vector<Request> requests = RandomRequests(random, 14);
  std::vector<Outcome> alone;
  for (const Request& request : requests) {
    alone.push_back(Alone(request));
    ASSERT_EQ(alone.back().tokens.size(), static_cast<std::size_t>(request.max_tokens));
  }
  EngineCounters total;
  for (int round = 0; round < (kSanitized ? 6 : 12); ++round) {
    EngineOptions options = Options();
    options.threads = 1 + round % 3;
    options.max_rows = static_cast<std::int64_t>(4 + random() % 40);
    options.max_logit_rows = static_cast<std::int64_t>(4 + random() % 20);
    options.prefix_cache = round % 4 != 3;
    if (round % 2 == 1) {
      // Little more than the largest request needs alone: 90 positions of 4 slots.
      options.page_bytes = (6 * 4 + random() % 12) * 4096;
    }
    EngineCounters counters;
    const std::vector<Outcome> together = Together(requests, options, random, counters);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      ASSERT_EQ(together[i].tokens, alone[i].tokens) << "request " << i << ", round " << round;
      ASSERT_TRUE(together[i] == alone[i]) << "request " << i << ", round " << round;
    }
    total.cached_tokens += counters.cached_tokens;
    total.pages_evicted += counters.pages_evicted;
  }
  // Else this test would prove less than it says.
  EXPECT_GT(total.cached_tokens, 0u);
  EXPECT_GT(total.pages_evicted, 0u);
}

TEST_P(ExactnessTest, WhoMadeRoomGoesOnAsIfNothingHadHappened) {
  std::mt19937_64 random(TestSeed());
  std::vector<Request> requests;
  std::vector<Outcome> alone;
  for (int i = 0; i < 4; ++i) {
    requests.push_back({.network = NetworkId{static_cast<std::uint32_t>(i % 2)},
                        .prompt = RandomTokens(random, 10, kVocabulary),
                        .max_tokens = 70,
                        .sampling = {.seed = random(), .top_logprobs = kVocabulary}});
    alone.push_back(Alone(requests.back()));
  }
  for (const bool prefix_cache : {false, true}) {
    EngineOptions options = Options();
    options.prefix_cache = prefix_cache;
    // All four begin with a page in each of 3 slots, and end with 5: little more than two fit.
    options.page_bytes = (2 * 3 * 5 + 4) * 4096;
    EngineCounters counters;
    const std::vector<Outcome> together = Together(requests, options, random, counters);
    EXPECT_GT(counters.preemptions, 0u);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      EXPECT_TRUE(together[i] == alone[i]) << "request " << i;
    }
  }
}

TEST_P(ExactnessTest, ARequestRunAgainFromCachedPagesGivesTheSameNumbers) {
  std::mt19937_64 random(TestSeed());
  EngineOptions options = Options();
  options.prefix_cache = true;
  Engine engine(*store_, options);
  LoadAll(engine);
  for (Request request : RandomRequests(random, 8)) {
    request.prompt_logits = false;
    const Outcome expected = Alone(request);
    for (int run = 0; run < 3; ++run) {
      ASSERT_TRUE(engine.Submit(request).ok());
      Outcome outcome;
      while (!engine.idle()) {
        for (const Delivery& delivery : StepOf(engine)) {
          Append(delivery, outcome);
        }
      }
      ASSERT_TRUE(outcome == expected) << "run " << run;
    }
  }
  EXPECT_GT(engine.counters().cached_tokens, 0u);
}

TEST_P(ExactnessTest, AForkGoesOnAsIfItHadReadEverythingItself) {
  const std::uint64_t seed = TestSeed();
  struct Case {
    std::uint64_t page_bytes;
    NetworkId network;
  };
  constexpr NetworkId kTuned{1};
  constexpr NetworkId kRecurrent{9};
  for (const auto& [page_bytes, network] :
       {Case{4 << 20, kTuned}, Case{30 * 4096, kTuned}, Case{4 << 20, kRecurrent},
        Case{30 * 4096, kRecurrent}}) {
    std::mt19937_64 random(seed);
    EngineOptions options = Options();
    options.prefix_cache = page_bytes > 1 << 20;
    options.page_bytes = page_bytes;
    Engine engine(*store_, options);
    LoadAll(engine);
    const SamplingOptions sampling{.seed = 5, .top_logprobs = kVocabulary};
    const Request request{.network = network,
                          .prompt = RandomTokens(random, 21, kVocabulary),
                          .max_tokens = 30,
                          .sampling = sampling};
    const RequestId parent = *engine.Submit(request);
    std::map<RequestId, Outcome> outcomes;
    std::map<RequestId, Request> forks;
    std::vector<std::int32_t> tokens = request.prompt;
    while (!engine.idle()) {
      for (const Delivery& delivery : StepOf(engine)) {
        Append(delivery, outcomes[delivery.request]);
        if (delivery.request == parent) {
          tokens.push_back(delivery.token->token);
        }
      }
      if (const std::size_t made = outcomes[parent].tokens.size();
          made % 7 == 3 && forks.size() < made && made < 30) {
        const auto more =
            RandomTokens(random, static_cast<std::int64_t>(random() % 3), kVocabulary);
        Request alone = request;
        alone.prompt = tokens;
        alone.prompt.insert(alone.prompt.end(), more.begin(), more.end());
        alone.max_tokens = 20;
        forks.emplace(*engine.Fork(parent, more, 20, sampling), alone);
      }
    }
    ASSERT_GE(forks.size(), 3u);
    EXPECT_TRUE(outcomes[parent] == Alone(request));
    for (const auto& [id, alone] : forks) {
      EXPECT_TRUE(outcomes[id] == Alone(alone));
    }
  }
}

TEST_P(ExactnessTest, NumbersOfAnotherFormatOfStateAreOthersThoughClose) {
  std::mt19937_64 random(TestSeed());
  const Request request{.network = NetworkId{0},
                        .prompt = RandomTokens(random, 60, kVocabulary),
                        .max_tokens = 0,
                        .prompt_logits = true};
  const Outcome own = Alone(request);
  EngineOptions options = Options();
  options.kv_format = GetParam().kv_format == KvFormat::kF32 ? KvFormat::kF16 : KvFormat::kF32;
  EngineCounters counters;
  const Outcome other = Together({request}, options, random, counters).front();
  ASSERT_EQ(own.numbers.size(), other.numbers.size());
  EXPECT_FALSE(own == other);
  // As vectors: a single number of thousands may be far off by chance.
  double difference = 0;
  double length = 0;
  for (std::size_t i = 0; i < own.numbers.size(); ++i) {
    difference += std::pow(own.numbers[i] - other.numbers[i], 2);
    length += std::pow(own.numbers[i], 2);
  }
  EXPECT_LT(std::sqrt(difference / length), 0.02);
}

// Sanitizers are here for the code around the kernels, which is the same for all of them.
std::vector<Numerics> NumericsHere() {
  std::vector<Numerics> all;
  const Isa fastest = *ChooseIsa("");
  for (const Isa isa : AllIsas()) {
    if (Supported(isa) && (isa == fastest || !kSanitized)) {
      all.push_back({isa, KvFormat::kF32});
      all.push_back({isa, KvFormat::kF16});
      if (isa == fastest) {
        all.push_back({isa, KvFormat::kQ8});
      }
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Numerics, ExactnessTest, ::testing::ValuesIn(NumericsHere()),
                         [](const auto& info) {
                           return std::string(IsaName(info.param.isa)) + "_" +
                                  std::string(KvFormatName(info.param.kv_format));
                         });

}  // namespace
}  // namespace ashlar
