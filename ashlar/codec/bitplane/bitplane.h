// Nested bit planes with a scale per 32 inputs, 2 to 8 bits of which any prefix is a matrix:
// docs/formats/bitplane.md.
#pragma once

#include "ashlar/codec/codec.h"

namespace ashlar {

extern const Codec kBitplane;

}  // namespace ashlar
