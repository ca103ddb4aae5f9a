// GGUF's tiles on AVX-512. Included by *_avx512.cc only.
#pragma once

#include "ashlar/kernels/linear/gguf/isa_avx512.h"

namespace ashlar::avx512 {

template <const BlockType& kType>
void LinearTiles(const LinearArgs& args) noexcept {
  internal::LinearOfTiles<Isa, internal::TilesOf<kType>>(args);
}

}  // namespace ashlar::avx512
