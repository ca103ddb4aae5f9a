// y = multiplier * post_norm(o(attend(q(n), k(n), v(n)))), n = norm(x): causal self-attention.
#pragma once

#include "ashlar/kinds/cpu_kind.h"

namespace ashlar {

extern const BlockKind kAttention;
extern const CpuKind kAttentionOnCpu;

}  // namespace ashlar
