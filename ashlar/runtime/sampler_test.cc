#include "ashlar/runtime/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/runtime/internal/philox.h"

namespace ashlar {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

SampledToken SampleOnce(const SamplingOptions& options, const std::vector<float>& logits) {
  Sampler sampler(options, static_cast<std::int64_t>(logits.size()));
  SamplerScratch scratch;
  return *sampler.Sample(logits, scratch);
}

// Probability of each token after the cuts, written from their definitions: sort everything, keep
// a set, normalise, stage after stage.
std::vector<double> Distribution(const SamplingOptions& options, const std::vector<float>& logits) {
  const std::size_t n = logits.size();
  std::vector<double> p(n);
  for (std::size_t i = 0; i < n; ++i) {
    p[i] = std::exp(static_cast<double>(logits[i]) / options.temperature);
  }
  const auto normalise = [&] {
    double sum = 0;
    for (const double each : p) {
      sum += each;
    }
    for (double& each : p) {
      each /= sum;
    }
  };
  const auto keep = [&](const std::vector<std::size_t>& kept) {
    std::vector<double> cut(n, 0);
    for (const std::size_t i : kept) {
      cut[i] = p[i];
    }
    p = cut;
    normalise();
  };
  const auto alive_by = [&](const auto& key) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < n; ++i) {
      if (p[i] > 0) {
        order.push_back(i);
      }
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
    return order;
  };
  const auto smallest_set = [&](std::vector<std::size_t> order, double mass) {
    double sum = 0;
    std::size_t count = 0;
    while (count < order.size() && sum < mass) {
      sum += p[order[count++]];
    }
    order.resize(count);
    return order;
  };
  normalise();
  const auto likely = [&](std::size_t i) { return -p[i]; };
  if (options.top_k > 0) {
    auto order = alive_by(likely);
    order.resize(std::min<std::size_t>(order.size(), options.top_k));
    keep(order);
  }
  if (options.typical_p < 1) {
    double entropy = 0;
    for (const double each : p) {
      entropy -= each > 0 ? each * std::log(each) : 0;
    }
    keep(smallest_set(alive_by([&](std::size_t i) { return std::abs(-std::log(p[i]) - entropy); }),
                      options.typical_p));
  }
  if (options.top_p < 1) {
    keep(smallest_set(alive_by(likely), options.top_p));
  }
  if (options.min_p > 0) {
    const double largest = *std::max_element(p.begin(), p.end());
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < n; ++i) {
      if (p[i] > 0 && p[i] >= options.min_p * largest) {
        kept.push_back(i);
      }
    }
    keep(kept);
  }
  return p;
}

TEST(Philox, GivesThePublishedNumbers) {
  using internal::Philox;
  // Known answers of Random123's kat_vectors, philox 4x32, 10 rounds.
  EXPECT_EQ(Philox({0, 0, 0, 0}, {0, 0}),
            (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, UniformNumbersLieInTheUnitIntervalAndFillIt) {
  double sum = 0;
  for (std::uint64_t i = 0; i < 10000; ++i) {
    const double u = internal::UniformAt(3, i);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.015);
}

TEST(Sampler, TemperatureZeroTakesTheLargestAndTheSmallestIdAmongEquals) {
  EXPECT_EQ(SampleOnce({.temperature = 0}, {1, 5, 5, 2}).token, 1);
  EXPECT_EQ(SampleOnce({.temperature = 0}, {kNaN, -kInfinity, -3, kNaN}).token, 2);
  EXPECT_EQ(SampleOnce({.temperature = 0}, {0, kInfinity}).token, 1);
}

TEST(Sampler, AmongSomeTokensTemperatureZeroTakesTheLargestOfThem) {
  constexpr float kPool[] = {-kInfinity, kNaN, -1, 0, 2, 2, 3};
  std::mt19937_64 random(TestSeed());
  SamplerScratch scratch;
  for (int round = 0; round < 2000; ++round) {
    std::vector<float> logits(70);
    for (float& logit : logits) {
      logit = kPool[random() % (1 + random() % std::size(kPool))];
    }
    const std::uint64_t allowed[] = {random() & random() & random(), random() % 4};
    std::optional<std::int32_t> expected;
    for (std::int32_t token = 0; token < 70; ++token) {
      const bool possible =
          (allowed[token / 64] >> (token % 64) & 1) != 0 && logits[token] > -kInfinity;
      if (possible && (!expected || logits[token] > logits[*expected])) {
        expected = token;
      }
    }
    for (const int top_logprobs : {-1, 0}) {
      Sampler sampler({.temperature = 0, .top_logprobs = top_logprobs}, 70);
      const auto sampled = sampler.SampleAmong(allowed, logits, scratch);
      ASSERT_EQ(sampled.ok(), expected.has_value());
      ASSERT_TRUE(!sampled.ok() || sampled->token == *expected);
    }
  }
}

TEST(Sampler, LogitsWithoutANumberAreCorrupt) {
  SamplerScratch scratch;
  for (const float temperature : {0.0f, 1.0f}) {
    Sampler sampler({.temperature = temperature}, 2);
    EXPECT_EQ(sampler.Sample(std::vector{kNaN, -kInfinity}, scratch).error().code,
              ErrorCode::kCorrupt);
  }
}

TEST(Sampler, ExtremeLogitsAndTemperaturesGiveTokensThatArePossible) {
  const std::vector<float> logits = {-3e38f, kNaN, 3e38f, -kInfinity, 3e38f};
  for (const float temperature : {1e-30f, 1e-3f, 1.0f, 1e30f}) {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      const std::int32_t token =
          SampleOnce({.temperature = temperature, .top_p = 0.9f, .typical_p = 0.9f, .seed = seed},
                     logits)
              .token;
      EXPECT_TRUE(token == 0 || token == 2 || token == 4) << token;
    }
  }
}

// Every stage alone and all together, on random logits: the tokens that come are exactly those
// that the definition leaves, as often as it says (chi-square over 20,000 draws).
TEST(Sampler, DrawsFromTheDistributionThatTheDefinitionsGive) {
  const SamplingOptions cases[] = {
      {},
      {.temperature = 0.5f},
      {.top_k = 5},
      {.top_p = 0.6f},
      {.min_p = 0.2f},
      {.typical_p = 0.5f},
      {.temperature = 1.5f, .top_k = 20, .top_p = 0.8f, .min_p = 0.05f, .typical_p = 0.9f},
  };
  const std::uint64_t seed = TestSeed();
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, 2);
  for (SamplingOptions options : cases) {
    std::vector<float> logits(100);  // more than the first piece that SmallestSet sorts
    for (float& logit : logits) {
      logit = normal(random);
    }
    const std::vector<double> expected = Distribution(options, logits);
    options.seed = random();
    Sampler sampler(options, 100);
    SamplerScratch scratch;
    constexpr int kDraws = 20000;
    std::vector<int> counts(logits.size());
    for (int i = 0; i < kDraws; ++i) {
      ++counts[sampler.Sample(logits, scratch)->token];
    }
    // Tokens that are expected fewer than five times count together: alone, one chance draw of a
    // very rare one would outweigh all others.
    double chi_square = 0;
    int degrees = -1;
    double rare_mean = 0;
    int rare_count = 0;
    const auto add = [&](double mean, int count) {
      chi_square += (count - mean) * (count - mean) / mean;
      ++degrees;
    };
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const double mean = expected[i] * kDraws;
      if (mean == 0) {
        EXPECT_EQ(counts[i], 0) << "token " << i << " was cut";
      } else if (mean < 5) {
        rare_mean += mean;
        rare_count += counts[i];
      } else {
        add(mean, counts[i]);
      }
    }
    if (rare_mean >= 1) {
      add(rare_mean, rare_count);
    }
    // Six standard deviations of a chi-square variable; rare tokens make its tail longer.
    EXPECT_LT(chi_square, degrees + 8 * std::sqrt(2.0 * degrees) + 20) << options.top_k;
  }
}

TEST(Sampler, ASeedGivesTheSameTokensEveryTime) {
  std::vector<float> logits(50, 0.0f);
  const auto draw = [&](std::uint64_t seed) {
    Sampler sampler({.seed = seed}, 50);
    SamplerScratch scratch;
    std::vector<std::int32_t> tokens;
    for (int i = 0; i < 20; ++i) {
      tokens.push_back(sampler.Sample(logits, scratch)->token);
    }
    return tokens;
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
  const std::vector<std::int32_t> tokens = draw(1);
  EXPECT_GT(std::set(tokens.begin(), tokens.end()).size(), 5u);
}

TEST(Sampler, BiasIsAddedToItsToken) {
  SamplingOptions options{.temperature = 0};
  options.logit_bias = {{2, 10.0f}, {1, -100.0f}};
  EXPECT_EQ(SampleOnce(options, {3, 9, 0}).token, 2);
}

TEST(Sampler, TheRepetitionPenaltyDividesPositiveAndMultipliesNegativeLogits) {
  Sampler sampler({.temperature = 0, .repetition_penalty = 2}, 3);
  SamplerScratch scratch;
  sampler.ObservePrompt(0);
  EXPECT_EQ(sampler.Sample(std::vector<float>{4, 3, -9}, scratch)->token, 1);  // 4 / 2 < 3
  // Now 1 is in the output: 2 and 1.5 are left.
  EXPECT_EQ(sampler.Sample(std::vector<float>{4, 3, -9}, scratch)->token, 0);
  EXPECT_EQ(sampler.Sample(std::vector<float>{-2, -3, -3.5}, scratch)->token, 2);  // -4, -6, -3.5
}

TEST(Sampler, PresenceCountsOnceAndFrequencyEachTimeAndOnlyInTheOutput) {
  SamplerScratch scratch;
  Sampler presence({.temperature = 0, .presence_penalty = 1}, 2);
  presence.ObservePrompt(0);
  EXPECT_EQ(presence.Sample(std::vector<float>{1.5f, 1}, scratch)->token, 0);  // prompt is free
  EXPECT_EQ(presence.Sample(std::vector<float>{1.5f, 1}, scratch)->token, 1);
  EXPECT_EQ(presence.Sample(std::vector<float>{1.5f, 1}, scratch)->token, 0);  // both paid once
  Sampler frequency({.temperature = 0, .frequency_penalty = 1}, 2);
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < 6; ++i) {
    tokens.push_back(frequency.Sample(std::vector<float>{2.5f, 1}, scratch)->token);
  }
  EXPECT_EQ(tokens, (std::vector<std::int32_t>{0, 0, 1, 0, 1, 0}));
}

TEST(Sampler, LogProbabilitiesAreOfTheDistributionBeforeTemperatureAndCuts) {
  const std::vector<float> logits = {1, 3, 2, kNaN};
  const double sum = std::log(std::exp(1.0) + std::exp(3.0) + std::exp(2.0));
  const SampledToken sampled =
      SampleOnce({.temperature = 0.1f, .top_k = 1, .top_logprobs = 4}, logits);
  EXPECT_EQ(sampled.token, 1);
  EXPECT_NEAR(sampled.logprob, 3 - sum, 1e-6);
  ASSERT_EQ(sampled.top.size(), 3u);
  EXPECT_EQ(sampled.top[0].token, 1);
  EXPECT_EQ(sampled.top[1].token, 2);
  EXPECT_EQ(sampled.top[2].token, 0);
  EXPECT_NEAR(sampled.top[2].logprob, 1 - sum, 1e-6);
  EXPECT_TRUE(SampleOnce({.temperature = 0, .top_logprobs = 0}, logits).top.empty());
}

TEST(Sampler, AskingForLogProbabilitiesChangesNoToken) {
  std::mt19937_64 random(5);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> logits(200);
  for (float& logit : logits) {
    logit = normal(random);
  }
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(SampleOnce({.seed = seed}, logits).token,
              SampleOnce({.seed = seed, .top_logprobs = 7}, logits).token);
  }
}

TEST(SamplingOptions, EachFieldOutOfItsRangeIsNamed) {
  const auto expect = [](SamplingOptions options, std::string_view field) {
    const Status status = options.Check(10);
    ASSERT_FALSE(status.ok()) << field;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalid);
    EXPECT_NE(status.error().message.find(field), std::string::npos) << status.error().message;
  };
  EXPECT_TRUE(SamplingOptions{}.Check(10).ok());
  expect({.temperature = -1}, "temperature");
  expect({.temperature = kNaN}, "temperature");
  expect({.temperature = kInfinity}, "temperature");
  expect({.top_k = -1}, "top_k");
  expect({.top_p = 0}, "top_p");
  expect({.top_p = 1.1f}, "top_p");
  expect({.min_p = -0.1f}, "min_p");
  expect({.typical_p = 0}, "typical_p");
  expect({.repetition_penalty = 0}, "repetition_penalty");
  expect({.presence_penalty = 2.5f}, "presence_penalty");
  expect({.frequency_penalty = kNaN}, "frequency_penalty");
  expect({.logit_bias = {{10, 1.0f}}}, "token 10");
  expect({.logit_bias = {{-1, 1.0f}}}, "token -1");
  expect({.logit_bias = {{1, 101.0f}}}, "logit_bias");
  expect({.top_logprobs = 11}, "top_logprobs");
}

}  // namespace
}  // namespace ashlar
