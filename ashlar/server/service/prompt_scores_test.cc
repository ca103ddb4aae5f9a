#include "ashlar/server/service/prompt_scores.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"

namespace ashlar::internal {
namespace {

constexpr float kImpossibleLogit = -std::numeric_limits<float>::infinity();

// By the definition, in double.
PromptLogprob Expected(std::vector<float> logits, std::int32_t token, int top) {
  double sum = 0;
  for (float& logit : logits) {
    logit = std::isnan(logit) ? kImpossibleLogit : logit;
  }
  const double largest = *std::ranges::max_element(logits);
  for (const float logit : logits) {
    sum += std::exp(logit - largest);
  }
  std::vector<TokenLogprob> all;
  for (std::size_t id = 0; id < logits.size(); ++id) {
    all.push_back(
        {static_cast<std::int32_t>(id), static_cast<float>(logits[id] - largest - std::log(sum))});
  }
  PromptLogprob expected{.token = token, .logprob = all[static_cast<std::size_t>(token)].logprob};
  std::ranges::stable_sort(all, std::greater<>(), [&](const TokenLogprob& one) {
    return logits[static_cast<std::size_t>(one.token)];
  });
  all.resize(std::min(all.size(), static_cast<std::size_t>(top)));
  expected.top = all;
  return expected;
}

TEST(PromptScores, AreThoseOfTheDefinition) {
  std::mt19937_64 random(TestSeed());
  for (const std::size_t vocabulary : {1u, 2u, 15u, 16u, 511u, 512u, 513u, 5000u}) {
    for (const float spread : {0.0f, 1.0f, 30.0f, 1000.0f}) {
      std::normal_distribution<float> normal(3, spread);
      std::vector<float> logits(vocabulary);
      for (float& logit : logits) {
        logit = spread == 1 ? std::round(normal(random)) : normal(random);  // equal ones
      }
      if (vocabulary > 20) {
        logits[3] = kImpossibleLogit;
        logits[19] = std::numeric_limits<float>::quiet_NaN();
      }
      for (const int top : {0, 1, 5, 100}) {
        const auto token =
            static_cast<std::int32_t>(vocabulary > 20 && top == 5 ? 19 : random() % vocabulary);
        const PromptLogprob expected = Expected(logits, token, top);
        const PromptLogprob score = ScoreToken(logits, token, top);
        const auto near = [&](float a, float b) {
          return a == b || std::abs(a - b) <= 1e-6f * std::max(1.0f, std::abs(b));
        };
        EXPECT_EQ(score.token, token);
        EXPECT_PRED2(near, *score.logprob, *expected.logprob);
        ASSERT_EQ(score.top.size(), expected.top.size());
        for (std::size_t i = 0; i < score.top.size(); ++i) {
          EXPECT_EQ(score.top[i].token, expected.top[i].token) << i << " of " << vocabulary;
          EXPECT_PRED2(near, score.top[i].logprob, expected.top[i].logprob);
        }
      }
    }
  }
}

}  // namespace
}  // namespace ashlar::internal
