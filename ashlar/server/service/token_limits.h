// What may come next in a continuation besides what its grammar says: only some tokens, no bad
// words, no end before it is long enough.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "ashlar/runtime/token_constraint.h"
#include "ashlar/server/service/service.h"

namespace ashlar::internal {

// `inner`, which may be null, with the limits of `generation` around it; null where there are none.
// `ends` are all tokens that end the continuation. What it throws (std::bad_alloc, for the states
// of a grammar) is an error, which fails its continuation alone.
std::shared_ptr<TokenConstraint> LimitTokens(const Generation& generation,
                                             std::span<const std::int32_t> ends,
                                             std::shared_ptr<TokenConstraint> inner);

}  // namespace ashlar::internal
