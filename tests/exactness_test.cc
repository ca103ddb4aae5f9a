// A request's results do not depend on threads, on neighbours of whatever network, on how its
// prompt is cut, or on what is cached: to the bit, on a trained network and what derives from it.
#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/graph/transform.h"
#include "tests/support/imported.h"
#include "tests/support/model_directories.h"

namespace ashlar {
namespace {

using testing::Library;

constexpr std::int64_t kPositions = 96;
constexpr std::int64_t kNewTokens = 6;
constexpr int kBest = 40;  // log-probabilities compared at each new token

// All that a request was given.
struct Outcome {
  std::vector<float> prompt_logits;
  std::vector<std::int32_t> tokens;
  std::vector<float> logprobs;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};
// Names what differs, and not a million numbers.
void PrintTo(const Outcome& outcome, std::ostream* os) {
  *os << outcome.prompt_logits.size() << " logits, tokens "
      << ::testing::PrintToString(outcome.tokens);
}

struct Job {
  std::size_t network;
  std::vector<std::int32_t> prompt;
};

class Exactness : public ::testing::TestWithParam<Isa> {
 protected:
  Exactness() : random_(TestSeed()) {
    const Network demo = library_.Import(testing::DemoModel(), "demo");
    networks_ = {demo,
                 Derive(demo, "drop", {{"layers", "3,4"}}),
                 Derive(demo, "repeat", {{"layers", "2"}}),
                 Derive(demo, "slice", {{"channels", "75%"}}),
                 Derive(demo, "encode", {{"codec", "q8"}}),
                 Derive(demo, "encode", {{"codec", "q4"}})};
    for (std::size_t network = 0; network < networks_.size(); ++network) {
      jobs_.push_back({network, RandomPrompt(50)});
      jobs_.push_back({network, RandomPrompt(17)});
    }
  }

  Network Derive(const Network& base, std::string_view transform, const Arguments& arguments) {
    const auto lease = library_.store().BeginWriting();
    auto derived =
        Apply(**FindTransform(transform), base, arguments, {.catalog = library_.catalog()});
    EXPECT_TRUE(derived.ok()) << derived.error().message;
    return *std::move(derived);
  }
  std::vector<std::int32_t> RandomPrompt(std::size_t length) {
    std::vector<std::int32_t> prompt(length);
    for (std::int32_t& token : prompt) {
      token = std::uniform_int_distribution<std::int32_t>(0, 4095)(random_);
    }
    return prompt;
  }
  std::int64_t RandomFrom(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random_);
  }

  // Whole prompts, one thread, no cache, each request alone in its steps.
  EngineOptions Plain() const {
    return {.threads = 1,
            .isa = GetParam(),
            .max_positions = kPositions,
            .max_rows = kPositions,
            .max_sequences = 1,
            .prefix_cache = false};
  }
  void LoadAll(Engine& engine) const {
    for (const Network& network : networks_) {  // NetworkId{i} is networks_[i]
      ASSERT_TRUE(engine.Load(network).ok());
    }
  }
  Result<RequestId> Submit(Engine& engine, const Job& job, bool prompt_logits) const {
    return engine.Submit({.network = NetworkId(job.network),
                          .prompt = job.prompt,
                          .max_tokens = kNewTokens,
                          .sampling = {.temperature = 0, .top_logprobs = kBest},
                          .prompt_logits = prompt_logits});
  }
  // Submits the jobs in a random order, some of them while others run already.
  std::vector<Outcome> Run(Engine& engine, bool prompt_logits) {
    std::vector<std::size_t> waiting(jobs_.size());
    std::iota(waiting.begin(), waiting.end(), 0);
    std::ranges::shuffle(waiting, random_);
    std::map<RequestId, std::size_t> job_of;
    std::vector<Outcome> outcomes(jobs_.size());
    while (!waiting.empty() || !engine.idle()) {
      while (!waiting.empty() && (engine.idle() || RandomFrom(0, 2) == 0)) {
        const auto request = Submit(engine, jobs_[waiting.back()], prompt_logits);
        EXPECT_TRUE(request.ok()) << request.error().message;
        job_of[*request] = waiting.back();
        waiting.pop_back();
      }
      const auto deliveries = engine.Step();
      EXPECT_TRUE(deliveries.ok()) << deliveries.error().message;
      for (const Delivery& delivery : *deliveries) {
        Outcome& outcome = outcomes[job_of.at(delivery.request)];
        outcome.prompt_logits.insert(outcome.prompt_logits.end(), delivery.logits.begin(),
                                     delivery.logits.end());
        if (delivery.token) {
          outcome.tokens.push_back(delivery.token->token);
          for (const TokenLogprob& best : delivery.token->top) {
            outcome.logprobs.push_back(best.logprob);
          }
        }
      }
    }
    return outcomes;
  }
  std::vector<Outcome> RunPlain(bool prompt_logits) {
    Engine engine(library_.store(), Plain());
    LoadAll(engine);
    return Run(engine, prompt_logits);
  }

  std::mt19937_64 random_;
  Library library_;
  std::vector<Network> networks_;
  std::vector<Job> jobs_;
};

TEST_P(Exactness, ThreadsNeighboursAndChunksChangeNothing) {
  const std::vector<Outcome> expected = RunPlain(/*prompt_logits=*/true);
  for (const Outcome& outcome : expected) {
    ASSERT_EQ(outcome.tokens.size(), static_cast<std::size_t>(kNewTokens));
    ASSERT_EQ(outcome.logprobs.size(), static_cast<std::size_t>(kNewTokens * kBest));
  }
  for (const int threads : {1, 2, 3}) {
    EngineOptions options = Plain();
    options.threads = threads;
    options.max_sequences = RandomFrom(2, 8);
    options.max_rows = RandomFrom(options.max_sequences, 60);
    options.max_logit_rows = RandomFrom(options.max_sequences, 64);
    Engine engine(library_.store(), options);
    LoadAll(engine);
    EXPECT_EQ(Run(engine, /*prompt_logits=*/true), expected)
        << threads << " threads, " << options.max_sequences << " sequences, " << options.max_rows
        << " rows";
  }
}

TEST_P(Exactness, CachedPagesChangeNothing) {
  // Networks that share their lower layers read the same prompt, so that they meet in the cache.
  for (Job& job : jobs_) {
    job.prompt = jobs_[job.prompt.size() == 50 ? 0 : 1].prompt;
  }
  const std::vector<Outcome> expected = RunPlain(/*prompt_logits=*/false);
  EngineOptions options = Plain();
  options.threads = 2;
  options.max_sequences = 4;
  options.prefix_cache = true;
  Engine engine(library_.store(), options);
  LoadAll(engine);
  EXPECT_EQ(Run(engine, /*prompt_logits=*/false), expected);
  const std::uint64_t before = engine.counters().cached_tokens;
  EXPECT_EQ(Run(engine, /*prompt_logits=*/false), expected);
  // Every whole page but the last of each prompt was found.
  EXPECT_GE(engine.counters().cached_tokens - before, networks_.size() * (32 + 16));
}

TEST_P(Exactness, NetworksThatDifferGiveOtherResults) {
  for (Job& job : jobs_) {
    job.prompt = jobs_[0].prompt;
  }
  const std::vector<Outcome> outcomes = RunPlain(/*prompt_logits=*/true);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      EXPECT_EQ(outcomes[i] == outcomes[j], jobs_[i].network == jobs_[j].network) << i << " " << j;
    }
  }
}

std::vector<Isa> FastIsas() {
  std::vector<Isa> isas = testing::SupportedIsas();
  if (isas.size() > 1) {
    std::erase(isas, Isa::kReference);  // the runtime's own test has it, on networks of its size
  }
  return isas;
}
INSTANTIATE_TEST_SUITE_P(OfImportedNetworks, Exactness, ::testing::ValuesIn(FastIsas()),
                         [](const auto& info) { return std::string(IsaName(info.param)); });

}  // namespace
}  // namespace ashlar
