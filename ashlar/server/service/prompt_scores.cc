#include "ashlar/server/service/prompt_scores.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace ashlar::internal {

PromptLogprob ScoreToken(std::span<const float> logits, std::int32_t token, int top) {
  constexpr float kImpossible = -std::numeric_limits<float>::infinity();
  const auto logit = [&](std::int32_t id) {
    const float value = logits[static_cast<std::size_t>(id)];
    return value > kImpossible ? value : kImpossible;
  };
  const auto size = static_cast<std::int32_t>(logits.size());
  float largest = kImpossible;
  for (std::int32_t id = 0; id < size; ++id) {
    largest = std::max(largest, logit(id));
  }
  double sum = 0;
  for (std::int32_t id = 0; id < size; ++id) {
    sum += std::exp(static_cast<double>(logit(id)) - largest);
  }
  const double log_sum = largest + std::log(sum);
  const auto logprob = [&](std::int32_t id) { return static_cast<float>(logit(id) - log_sum); };

  PromptLogprob score{.token = token, .logprob = logprob(token), .top = {}};
  if (top > 0) {
    std::vector<std::int32_t> ids(logits.size());
    std::iota(ids.begin(), ids.end(), 0);
    const auto end = ids.begin() + std::min<std::ptrdiff_t>(top, size);
    std::partial_sort(ids.begin(), end, ids.end(), [&](std::int32_t a, std::int32_t b) {
      return logit(a) != logit(b) ? logit(a) > logit(b) : a < b;
    });
    for (auto id = ids.begin(); id != end; ++id) {
      score.top.push_back({*id, logprob(*id)});
    }
  }
  return score;
}

}  // namespace ashlar::internal
