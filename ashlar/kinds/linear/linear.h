// y = W norm(x) + b: a matrix as a node of its own, such as a stitch between two widths.
#pragma once

#include "ashlar/kinds/cpu_kind.h"

namespace ashlar {

extern const BlockKind kLinear;
extern const CpuKind kLinearOnCpu;

}  // namespace ashlar
