// Sums of f32 in an order that depends on their number only.
#pragma once

#include <cstdint>

#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::simd {

// The sum of term(x[k]) for k in [0, n). `term` maps a vector to a vector; term(neutral) is 0.
//
// Vector i of x goes to accumulator i % 4 (four, since an addition takes four cycles); then
// (0 + 1) + (2 + 3), then the lanes' tree. A term passes at most n / (4 kLanes) + 7 additions, and
// as kLanes >= 8 the error is at most (n / 32 + 7) 2^-24 times the sum of |term| (to first order).
template <class F32, class Term>
float SumOf(const float* x, std::int64_t n, F32 neutral, Term term) {
  constexpr int kAccumulators = 4;
  F32 sum[kAccumulators] = {F32::Zero(), F32::Zero(), F32::Zero(), F32::Zero()};
  std::int64_t k = 0;
  for (; k + kAccumulators * F32::kLanes <= n; k += kAccumulators * F32::kLanes) {
    ASHLAR_UNROLL
    for (int i = 0; i < kAccumulators; ++i) {
      sum[i] = sum[i] + term(F32::Load(x + k + i * F32::kLanes));
    }
  }
  ASHLAR_UNROLL
  for (int i = 0; i < kAccumulators; ++i, k += F32::kLanes) {
    if (k < n) {
      sum[i] = sum[i] + term(F32::LoadFirst(x + k, n - k, neutral));
    }
  }
  return SumLanes((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

}  // namespace ashlar::simd
