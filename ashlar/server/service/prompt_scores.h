// What a row of logits says of the token that came next.
#pragma once

#include <span>

#include "ashlar/server/service/service.h"

namespace ashlar::internal {

// The log-probability of `token` under `logits` [vocabulary], before any temperature, and the `top`
// best ones. A NaN counts as impossible: -infinity.
PromptLogprob ScoreToken(std::span<const float> logits, std::int32_t token, int top);

}  // namespace ashlar::internal
