// Linear attention by the gated delta rule (Yang et al. 2024, "Gated Delta Networks"): each head
// carries one matrix from keys to values, which decays, and in which a row replaces what its key
// finds by its value.
#pragma once

#include "ashlar/kinds/cpu_kind.h"

namespace ashlar {

extern const BlockKind kLinearAttention;
extern const CpuKind kLinearAttentionOnCpu;

}  // namespace ashlar
