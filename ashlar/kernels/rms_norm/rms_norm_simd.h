// The body of the vector forms of rms_norm. SumOf orders the sum; the rest is element by element.
#pragma once

#include <cstdint>

#include "ashlar/kernels/simd/for_vectors.h"
#include "ashlar/kernels/simd/sum.h"

namespace ashlar::simd {

template <class F32>
void RmsNorm(const float* x, const float* w, float* y, std::int64_t n, float eps) {
  const F32 zero = F32::Zero();
  const float squares = SumOf<F32>(x, n, zero, [](F32 v) { return v * v; });
  const F32 mean = F32::Broadcast(squares / static_cast<float>(n));
  const F32 scale = F32::Broadcast(1) / Sqrt(mean + F32::Broadcast(eps));
  ForVectors<F32>(n, [=](std::int64_t k, auto vector) {
    vector.Store(vector.Load(x + k, zero) * scale * vector.Load(w + k, zero), y + k);
  });
}

}  // namespace ashlar::simd
