// Which parts of blobs networks read at a precision, and what that lacks of other parts.
#pragma once

#include <span>
#include <vector>

#include "ashlar/graph/network.h"
#include "ashlar/graph/precision.h"

namespace ashlar {

// The parts of blobs that are read of the networks' tensors at a precision; each once, ascending
// and apart within a blob.
std::vector<Level> PartsInUse(std::span<const Network* const> networks, const Precision& precision);

// Those of `parts` that are not in `others`: both as PartsInUse gives them.
std::vector<Level> PartsBeyond(std::span<const Level> parts, std::span<const Level> others);

}  // namespace ashlar
