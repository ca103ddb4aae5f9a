// y = cap(multiplier * (W x + b)), cap(s) = soft_cap * tanh(s / soft_cap): logits of the tokens.
#pragma once

#include "ashlar/kinds/cpu_kind.h"

namespace ashlar {

extern const BlockKind kHead;
extern const CpuKind kHeadOnCpu;

}  // namespace ashlar
