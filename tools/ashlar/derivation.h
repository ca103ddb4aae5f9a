// Deriving a network by a chain of transforms: what the verbs derive and encode share.
#pragma once

#include <span>
#include <string>

#include "ashlar/graph/transform.h"
#include "tools/ashlar/verb.h"

namespace ashlar::cli {

// Applies `steps` to the network `base`, tags the result `name`, and prints what it cost.
Status Derive(Session& session, const std::string& name, const std::string& base,
              std::span<const TransformStep> steps);

}  // namespace ashlar::cli
