// `ashlar bench kernels`: each case of ashlar/kernels/kernel_cases.h against what this processor
// can do at most.
#pragma once

#include "tools/ashlar/verb.h"

namespace ashlar::cli {

// By the options isa, kernel, seconds and svg.
Status BenchKernels(Session& session);

}  // namespace ashlar::cli
