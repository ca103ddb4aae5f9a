// y = multiplier * weight[token], and positions[p] of a row at position p where there is such a
// table: the rows of a table, by token id.
#pragma once

#include "ashlar/kinds/cpu_kind.h"

namespace ashlar {

extern const BlockKind kEmbed;
extern const CpuKind kEmbedOnCpu;

}  // namespace ashlar
