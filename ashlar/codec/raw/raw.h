// Plain numbers, row-major, little-endian, nothing else: docs/formats/raw.md.
#pragma once

#include "ashlar/codec/codec.h"

namespace ashlar {

extern const Codec kRawF32;
extern const Codec kRawF16;
extern const Codec kRawBF16;

}  // namespace ashlar
