// RWKV's time mixing (Peng et al. 2023, "RWKV", section 3.1.2): each channel carries a mean of its
// values, weighted by the exponentials of its keys and by how long ago they were.
#pragma once

#include "ashlar/kinds/cpu_kind.h"

namespace ashlar {

extern const BlockKind kWkv;
extern const CpuKind kWkvOnCpu;

}  // namespace ashlar
