// y = rms(x) or layer(x): a norm as a node of its own, such as the one before the head.
#pragma once

#include "ashlar/kinds/cpu_kind.h"

namespace ashlar {

extern const BlockKind kNorm;
extern const CpuKind kNormOnCpu;

}  // namespace ashlar
