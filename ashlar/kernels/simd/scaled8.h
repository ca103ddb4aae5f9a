// A signed integer of 8 bits in memory that stands for itself times a scale which many share: the
// vector types widen it when they load, and narrow whole numbers from -127 to 127 when they store.
#pragma once

#include <cstdint>

#include "ashlar/kernels/simd/for_vectors.h"

namespace ashlar::simd {

enum class Scaled8 : std::int8_t {};

// The scale of x[n], and what its numbers are multiplied by before they are rounded: the largest
// magnitude over 127, and 127 over it. 0 and 0 where all are tiny; NaN and 0 where one is not
// finite.
struct ScaleOfVector {
  float scale;
  float inverse;
};
template <class F32>
ScaleOfVector FindScale(const float* x, std::int64_t n) {
  F32 largest = F32::Zero();
  F32 spoiled = F32::Zero();  // NaN where a number is not finite
  const F32 zero = F32::Zero();
  ForVectors<F32>(n, [&](std::int64_t d, auto vector) {
    const F32 numbers = vector.Load(x + d, zero);
    largest = Max(Abs(numbers), largest);
    spoiled = MulAdd(numbers, zero, spoiled);
  });
  if (!(SumLanes(spoiled) == 0)) {
    return {__builtin_nanf(""), 0};
  }
  const float max = MaxLanes(largest);
  if (max < 1e-30F) {
    return {0, 0};
  }
  return {max / 127, 127 / max};
}

// Stores x[n], rounded, through `put(d, numbers, vector)`, and returns its scale.
template <class F32, class Put>
float NarrowScaled(const float* x, std::int64_t n, const Put& put) {
  const ScaleOfVector found = FindScale<F32>(x, n);
  const F32 zero = F32::Zero();
  const F32 inverse = F32::Broadcast(found.inverse);
  ForVectors<F32>(n, [&](std::int64_t d, auto vector) {
    // (Not a product with 0, which is NaN for what is not finite.)
    put(d, found.inverse == 0 ? zero : Round(vector.Load(x + d, zero) * inverse), vector);
  });
  return found.scale;
}

}  // namespace ashlar::simd
