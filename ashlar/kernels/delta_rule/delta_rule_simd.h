// The body of the vector forms of delta_rule: a vector of values at a time, its numbers of state
// one below the other.
#pragma once

#include <cstdint>

#include "ashlar/kernels/delta_rule/delta_rule_args.h"
#include "ashlar/kernels/simd/for_vectors.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::simd {

// The sum of n terms; add(i, sum) is sum with the i-th.
template <class F32, class Add>
F32 SumOfTerms(std::int64_t n, Add add) {
  constexpr int kAccumulators = 4;
  F32 sum[kAccumulators] = {F32::Zero(), F32::Zero(), F32::Zero(), F32::Zero()};
  std::int64_t i = 0;
  for (; i + kAccumulators <= n; i += kAccumulators) {
    ASHLAR_UNROLL
    for (int a = 0; a < kAccumulators; ++a) {
      sum[a] = add(i + a, sum[a]);
    }
  }
  ASHLAR_UNROLL
  for (int a = 0; a < kAccumulators; ++a) {
    if (i + a < n) {
      sum[a] = add(i + a, sum[a]);
    }
  }
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

template <class F32>
void DeltaRule(const DeltaRuleArgs& args) {
  const F32 zero = F32::Zero();
  const F32 keep = F32::Broadcast(args.keep);
  const F32 write = F32::Broadcast(args.write);
  ForVectors<F32>(args.value_dim, [&](std::int64_t j, auto vector) {
    float* const state = args.state + j;
    const F32 found = SumOfTerms<F32>(args.key_dim, [&](std::int64_t i, F32 sum) {
      return MulAdd(F32::Broadcast(args.k[i]), vector.Load(state + i * args.value_dim, zero), sum);
    });
    const F32 change = write * NegMulAdd(keep, found, vector.Load(args.v + j, zero));
    const F32 y = SumOfTerms<F32>(args.key_dim, [&](std::int64_t i, F32 sum) {
      float* const at = state + i * args.value_dim;
      const F32 after = MulAdd(F32::Broadcast(args.k[i]), change, keep * vector.Load(at, zero));
      vector.Store(after, at);
      return MulAdd(F32::Broadcast(args.q[i]), after, sum);
    });
    vector.Store(y, args.v + j);
  });
}

}  // namespace ashlar::simd
