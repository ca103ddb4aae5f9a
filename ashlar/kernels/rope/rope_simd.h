// The body of the vector forms of rope: element by element, so no order to fix.
#pragma once

#include <cstdint>

#include "ashlar/kernels/simd/for_vectors.h"

namespace ashlar::simd {

template <class F32>
void Rope(float* x, std::int64_t heads, std::int64_t head_dim, std::int64_t rotary,
          const float* cos, const float* sin) {
  const F32 zero = F32::Zero();
  const std::int64_t half = rotary / 2;
  for (std::int64_t head = 0; head < heads; ++head) {
    float* first = x + head * head_dim;
    float* second = first + half;
    ForVectors<F32>(half, [=](std::int64_t i, auto vector) {
      const F32 a = vector.Load(first + i, zero);
      const F32 b = vector.Load(second + i, zero);
      const F32 c = vector.Load(cos + i, zero);
      const F32 s = vector.Load(sin + i, zero);
      vector.Store(NegMulAdd(b, s, a * c), first + i);
      vector.Store(MulAdd(a, s, b * c), second + i);
    });
  }
}

// A few pairs at a time are taken apart into halves, turned and put together again.
template <class F32>
void RopeNeighbours(float* x, std::int64_t heads, std::int64_t head_dim, std::int64_t rotary,
                    const float* cos, const float* sin) {
  constexpr std::int64_t kPairs = 64;
  float halves[2 * kPairs];
  for (std::int64_t head = 0; head < heads; ++head) {
    for (std::int64_t first = 0; first < rotary / 2; first += kPairs) {
      const std::int64_t left = rotary / 2 - first;
      const std::int64_t pairs = left < kPairs ? left : kPairs;
      float* const at = x + head * head_dim + 2 * first;
      for (std::int64_t i = 0; i < pairs; ++i) {
        halves[i] = at[2 * i];
        halves[pairs + i] = at[2 * i + 1];
      }
      Rope<F32>(halves, 1, 2 * pairs, 2 * pairs, cos + first, sin + first);
      for (std::int64_t i = 0; i < pairs; ++i) {
        at[2 * i] = halves[i];
        at[2 * i + 1] = halves[pairs + i];
      }
    }
  }
}

}  // namespace ashlar::simd
