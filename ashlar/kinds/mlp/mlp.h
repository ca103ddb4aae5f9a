// y = multiplier * post_norm(down(f(gate(n)) * up(n))), n = norm(x); or down(f(up(n))) when plain.
#pragma once

#include "ashlar/kinds/cpu_kind.h"

namespace ashlar {

extern const BlockKind kMlp;
extern const CpuKind kMlpOnCpu;

}  // namespace ashlar
