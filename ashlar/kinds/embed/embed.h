// y = multiplier * weight[token]: the rows of a table, by token id.
#pragma once

#include "ashlar/kinds/cpu_kind.h"

namespace ashlar {

extern const BlockKind kEmbed;
extern const CpuKind kEmbedOnCpu;

}  // namespace ashlar
