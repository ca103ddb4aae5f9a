// Multi-head latent attention (DeepSeek-AI 2024, "DeepSeek-V2", section 2.1): keys and values of
// all heads are made from one short vector per position, and that vector is what is kept.
#pragma once

#include "ashlar/kinds/cpu_kind.h"

namespace ashlar {

extern const BlockKind kLatentAttention;
extern const CpuKind kLatentAttentionOnCpu;

}  // namespace ashlar
