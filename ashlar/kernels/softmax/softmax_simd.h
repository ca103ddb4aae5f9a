// The body of the vector forms of softmax. SumOf orders the sum; the rest is element by element.
#pragma once

#include <cstdint>

#include "ashlar/kernels/simd/for_vectors.h"
#include "ashlar/kernels/simd/math.h"
#include "ashlar/kernels/simd/sum.h"

namespace ashlar::simd {

template <class F32>
void Softmax(const float* x, float* y, std::int64_t n) {
  F32 largest = F32::Broadcast(x[0]);
  ForVectors<F32>(n, [x, &largest](std::int64_t k, auto vector) {
    largest = Max(largest, vector.Load(x + k, largest));
  });
  const F32 max = F32::Broadcast(MaxLanes(largest));
  ForVectors<F32>(n, [=](std::int64_t k, auto vector) {
    vector.Store(Exp(vector.Load(x + k, max) - max), y + k);
  });
  const F32 sum = F32::Broadcast(SumOf<F32>(y, n, F32::Zero(), [](F32 v) { return v; }));
  const F32 scale = F32::Broadcast(1) / sum;
  ForVectors<F32>(n, [=](std::int64_t k, auto vector) {
    vector.Store(vector.Load(y + k, scale) * scale, y + k);
  });
}

}  // namespace ashlar::simd
