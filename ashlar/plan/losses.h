// What a stored network's levels are worth, for the stack.
#pragma once

#include <map>
#include <span>
#include <string_view>
#include <vector>

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

// The losses in them. `network` is what `name` names. When none of its tensors has levels there is
// nothing to lose, and nothing is looked for: that would look at every small blob of the store.
Result<LevelLosses> LoadLosses(const Catalog& catalog, std::string_view name,
                               const Network& network);
Result<TensorLosses> LoadTensorLosses(const BlobStore& store, const TensorStatistics& measured);

// What was measured of all tensors together: that of the network, or else of the latest one that it
// was derived from. Empty when nobody measured, or without levels, as above.
Result<std::vector<JointLoss>> LoadJointLosses(const Catalog& catalog, std::string_view name,
                                               const Network& network);

// What is expected to be lost when the tensors alone lose `sum`: through what was measured, the
// logarithms between two points on a line, beyond them in the proportion of the nearest. Rises with
// the sum. Without points it is the sum.
double JointLossOf(std::span<const JointLoss> measured, double sum);

}  // namespace ashlar
