// The bodies of the vector forms of the activations: element by element, so no order to fix.
#pragma once

#include <cstdint>

#include "ashlar/kernels/simd/for_vectors.h"
#include "ashlar/kernels/simd/math.h"

namespace ashlar::simd {

template <class F32>
F32 SiluOf(F32 x) {
  return x * Sigmoid(x);
}

template <class F32>
F32 GeluOf(F32 x) {
  return x * NormalCdf(x);
}

// (1 + tanh(u)) / 2 is the sigmoid of 2 u; u = sqrt(2 / pi) x (1 + 0.044715 x^2).
template <class F32>
F32 GeluTanhOf(F32 x) {
  const F32 inner = MulAdd(x * x, F32::Broadcast(0.044715f), F32::Broadcast(1));
  return x * Sigmoid(x * inner * F32::Broadcast(1.5957691216057308f));
}

template <class F32>
F32 ReluOf(F32 x) {
  return Max(F32::Zero(), x);  // (this way round, NaN stays NaN)
}

template <class F32>
F32 Relu2Of(F32 x) {
  const F32 r = ReluOf(x);
  return r * r;
}

template <class F32>
F32 SigmoidOf(F32 x) {
  return Sigmoid(x);
}

template <class F32, F32 (*kFunction)(F32)>
void Activate(const float* gate, const float* up, float* y, std::int64_t n) {
  const F32 one = F32::Broadcast(1);
  ForVectors<F32>(n, [=](std::int64_t k, auto vector) {
    const F32 factor = up == nullptr ? one : vector.Load(up + k, one);
    vector.Store(kFunction(vector.Load(gate + k, one)) * factor, y + k);
  });
}

}  // namespace ashlar::simd
