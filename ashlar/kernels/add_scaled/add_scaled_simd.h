// The body of the vector forms of add_scaled: element by element, so no order to fix. Not a fused
// multiply-add, which would round once.
#pragma once

#include <cstdint>

#include "ashlar/kernels/simd/for_vectors.h"

namespace ashlar::simd {

template <class F32>
void AddScaled(float scale, const float* x, const float* b, float* y, std::int64_t n) {
  const F32 zero = F32::Zero();
  const F32 factor = F32::Broadcast(scale);
  ForVectors<F32>(n, [=](std::int64_t k, auto vector) {
    vector.Store(factor * vector.Load(x + k, zero) + vector.Load(b + k, zero), y + k);
  });
}

}  // namespace ashlar::simd
