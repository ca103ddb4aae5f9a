// y = multiplier * post_norm(sum_e weight_e(n) expert_e(n) + shared(n)), n = norm(x): a mixture of
// experts (Shazeer et al. 2017). Each row has the experts that the router chooses for it.
#pragma once

#include "ashlar/kinds/cpu_kind.h"

namespace ashlar {

extern const BlockKind kMoe;
extern const CpuKind kMoeOnCpu;

}  // namespace ashlar
