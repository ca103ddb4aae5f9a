// The rows of the list in all_architectures.cc, one per file of this folder.
#pragma once

#include "ashlar/formats/architecture.h"

namespace ashlar {

extern const Architecture kLlama;
extern const Architecture kMistral;
extern const Architecture kQwen2;
extern const Architecture kQwen3;

}  // namespace ashlar
