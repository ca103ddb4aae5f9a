// The body of the vector forms of layer_norm. SumOf orders the sums; the rest is element by
// element.
#pragma once

#include <cstdint>

#include "ashlar/kernels/simd/for_vectors.h"
#include "ashlar/kernels/simd/sum.h"

namespace ashlar::simd {

template <class F32>
void LayerNorm(const float* x, const float* w, const float* b, float* y, std::int64_t n,
               float eps) {
  const F32 zero = F32::Zero();
  const auto count = static_cast<float>(n);
  const float sum = SumOf<F32>(x, n, zero, [](F32 v) { return v; });
  const F32 mean = F32::Broadcast(sum / count);
  // (Two passes: the mean of squares less the square of the mean would cancel.)
  const float squares = SumOf<F32>(x, n, mean, [mean](F32 v) { return (v - mean) * (v - mean); });
  const F32 variance = F32::Broadcast(squares / count);
  const F32 scale = F32::Broadcast(1) / Sqrt(variance + F32::Broadcast(eps));
  ForVectors<F32>(n, [=](std::int64_t k, auto vector) {
    const F32 bias = b == nullptr ? zero : vector.Load(b + k, zero);
    const F32 normal = (vector.Load(x + k, zero) - mean) * scale;
    vector.Store(MulAdd(normal, vector.Load(w + k, zero), bias), y + k);
  });
}

}  // namespace ashlar::simd
