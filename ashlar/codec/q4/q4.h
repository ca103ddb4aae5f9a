// 4-bit integers in groups of 32 inputs with an f16 scale: docs/formats/q4.md. The same scales
// and integers as GGUF's Q4_0, in another order.
#pragma once

#include "ashlar/codec/codec.h"

namespace ashlar {

extern const Codec kQ4;

}  // namespace ashlar
