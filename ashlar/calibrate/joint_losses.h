// Whether what single tensors lose adds up: measured, since a plan counts on it.
#pragma once

#include <vector>

#include "ashlar/calibrate/divergence.h"
#include "ashlar/graph/statistics.h"
#include "ashlar/plan/stack.h"

namespace ashlar {

// At some cuts of the stack of `shrunk`, from the floor up, what its tensors lose by `losses`, and
// how far its answers are there from those that `divergence` keeps: its source's. As Statistics
// wants them: a point that does not lie above the one before it in both is left out.
Result<std::vector<JointLoss>> MeasureJointLosses(const BlobStore& store, const Network& shrunk,
                                                  const LevelLosses& losses,
                                                  const Divergence& divergence,
                                                  const NodeWalk::Options& options);

}  // namespace ashlar
