// One mapping of a blob for all who read it: each counts as resident memory by itself, so a tensor
// that several blocks have (a tied embedding) would count several times.
#pragma once

#include "ashlar/runtime/internal/block_binder.h"

namespace ashlar::internal {

// Gives what `fetch` gave, as long as somebody has it, it is large enough, and it has lost no bytes;
// else asks again. Thread-safe when `fetch` is.
BlockBinder::Fetch MapOnce(BlockBinder::Fetch fetch);

}  // namespace ashlar::internal
