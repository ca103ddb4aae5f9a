#include "ashlar/server/service/prompt_scores.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace ashlar::internal {
namespace {

constexpr float kNoChance = -std::numeric_limits<float>::infinity();
constexpr float kLeastExponent = -87;  // e^x is a normal number from here on

// e^x for x in [kLeastExponent, 0], within 2^-22 of itself: 2^n e^r, and of e^r the Taylor
// polynomial up to r^6. No call and no branch, so that a vocabulary takes no longer than reading
// it: as std::exp these were a fifth of what a small network's step takes.
float ExpBelowOne(float x) {
  constexpr float kLog2E = 1.44269504f;
  constexpr float kLn2High = 0.693359375f;  // n times this is exact
  constexpr float kLn2Low = -2.12194440e-4f;
  constexpr float kRound = 12582912;  // 1.5 * 2^23: adding it rounds to an integer
  constexpr int kMantissaBits = 23;
  const float n = (x * kLog2E + kRound) - kRound;
  const float r = (x - n * kLn2High) - n * kLn2Low;
  float e = 1.0f / 720;
  e = e * r + 1.0f / 120;
  e = e * r + 1.0f / 24;
  e = e * r + 1.0f / 6;
  e = e * r + 0.5f;
  e = e * r + 1;
  e = e * r + 1;
  return std::bit_cast<float>(std::bit_cast<std::int32_t>(e) +
                              static_cast<std::int32_t>(n) * (1 << kMantissaBits));
}

// Of e^(logit - largest), a few in f32 at a time.
double SumOfExps(std::span<const float> logits, float largest) {
  constexpr std::size_t kLanes = 16;
  constexpr std::size_t kPart = 32 * kLanes;
  double sum = 0;
  for (std::size_t begin = 0; begin < logits.size(); begin += kPart) {
    const std::span<const float> part =
        logits.subspan(begin, std::min(kPart, logits.size() - begin));
    std::array<float, kLanes> lanes = {};
    const auto add = [&](std::size_t i, std::size_t lane) {
      const float x = part[i + lane] - largest;
      lanes[lane] += ExpBelowOne(x > kLeastExponent ? x : kLeastExponent);  // false for NaN
    };
    std::size_t i = 0;
    for (; i + kLanes <= part.size(); i += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        add(i, lane);
      }
    }
    for (std::size_t lane = 0; i + lane < part.size(); ++lane) {
      add(i, lane);
    }
    for (const float lane : lanes) {
      sum += static_cast<double>(lane);
    }
  }
  return sum;
}

}  // namespace

PromptLogprob ScoreToken(std::span<const float> logits, std::int32_t token, int top) {
  float largest = kNoChance;
  for (const float logit : logits) {
    largest = logit > largest ? logit : largest;  // false for NaN
  }
  const double log_sum = static_cast<double>(largest) + std::log(SumOfExps(logits, largest));
  const auto logprob = [&](float logit) {
    return logit > kNoChance ? static_cast<float>(static_cast<double>(logit) - log_sum) : kNoChance;
  };

  PromptLogprob score{
      .token = token, .logprob = logprob(logits[static_cast<std::size_t>(token)]), .top = {}};
  const auto most = std::min(static_cast<std::size_t>(std::max(top, 0)), logits.size());
  // Best first, and of equals the smaller id: one that is read later must be larger to come in.
  for (std::size_t id = 0; id < logits.size() && most > 0; ++id) {
    const float logit = logits[id] > kNoChance ? logits[id] : kNoChance;
    if (score.top.size() == most && !(logit > score.top.back().logprob)) {
      continue;
    }
    if (score.top.size() == most) {
      score.top.pop_back();
    }
    const auto place =
        std::ranges::upper_bound(score.top, logit, std::greater<>(), &TokenLogprob::logprob);
    score.top.insert(place, {static_cast<std::int32_t>(id), logit});
  }
  for (TokenLogprob& best : score.top) {
    best.logprob = logprob(best.logprob);
  }
  return score;
}

}  // namespace ashlar::internal
