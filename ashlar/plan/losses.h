// What a stored network's levels are worth, for the stack.
#pragma once

#include <map>
#include <string_view>

#include "ashlar/graph/catalog.h"
#include "ashlar/graph/statistics.h"
#include "ashlar/plan/stack.h"

namespace ashlar {

// What was found out about the tensors of the network that a tag or digest names, by their first
// levels: in its statistics; of tensors that these do not have, in those of the networks that it
// was derived from, the latest first, since a network with dropped layers has none of its own.
// Empty when nobody measured.
Result<std::map<Level, TensorStatistics>> LoadTensorStatistics(const Catalog& catalog,
                                                               std::string_view name);

// The losses in them.
Result<LevelLosses> LoadLosses(const Catalog& catalog, std::string_view name);

}  // namespace ashlar
