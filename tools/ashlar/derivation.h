// What the verbs derive and encode share.
#pragma once

#include <span>
#include <string>

#include "ashlar/graph/derive.h"
#include "tools/ashlar/verb.h"

namespace ashlar::cli {

// Derives `name` from `base` by `steps`, and prints what it cost.
Status DeriveAndReport(Session& session, const std::string& name, const std::string& base,
                       std::span<const TransformStep> steps);

}  // namespace ashlar::cli
