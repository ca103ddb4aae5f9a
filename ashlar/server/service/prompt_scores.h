// What a row of logits says of the token that came next.
#pragma once

#include <exception>
#include <mutex>
#include <span>
#include <vector>

#include "ashlar/server/service/service.h"

namespace ashlar::internal {

// Of all tokens of a prompt.
struct PromptScores {
  std::vector<PromptLogprob> tokens;
  std::exception_ptr exception;  // that was met in scoring some of them; null: none
  std::mutex failing;            // guards it while several threads score
};

// The log-probability of `token` under `logits` [vocabulary], before any temperature, and the `top`
// best ones. A NaN counts as impossible: -infinity.
PromptLogprob ScoreToken(std::span<const float> logits, std::int32_t token, int top);

}  // namespace ashlar::internal
