// A selective state space (Gu and Dao 2023, "Mamba"; Dao and Gu 2024, "Mamba-2"): a convolution of
// a few rows, then a linear recurrence whose steps, and what it writes and reads, each row chooses.
#pragma once

#include "ashlar/kinds/cpu_kind.h"

namespace ashlar {

extern const BlockKind kSsm;
extern const CpuKind kSsmOnCpu;

}  // namespace ashlar
