// 8-bit integers in groups of 32 inputs with an f16 scale: docs/formats/q8.md. The same scales
// and integers as GGUF's Q8_0, in another order.
#pragma once

#include "ashlar/codec/codec.h"

namespace ashlar {

extern const Codec kQ8;

}  // namespace ashlar
