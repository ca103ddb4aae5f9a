// What a stored network's levels are worth, for the stack.
#pragma once

#include <string_view>

#include "ashlar/graph/catalog.h"
#include "ashlar/plan/stack.h"

namespace ashlar {

// The losses in the statistics of the network that a tag or digest names; of tensors that these do
// not have, in those of the networks that it was derived from, the latest first: a network with
// dropped layers has no statistics of its own. Empty when nobody measured.
Result<LevelLosses> LoadLosses(const Catalog& catalog, std::string_view name);

}  // namespace ashlar
