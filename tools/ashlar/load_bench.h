// `ashlar bench NET --load`: what loading a network takes, and how much of that are checks.
#pragma once

#include "tools/ashlar/verb.h"

namespace ashlar::cli {

// By the options NET and rounds.
Status BenchLoad(Session& session);

}  // namespace ashlar::cli
