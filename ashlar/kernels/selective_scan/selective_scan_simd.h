// The body of the vector forms of selective_scan.
#pragma once

#include <cstdint>

#include "ashlar/kernels/selective_scan/selective_scan_args.h"
#include "ashlar/kernels/simd/for_vectors.h"
#include "ashlar/kernels/simd/math.h"

namespace ashlar::simd {

template <class F32>
void SelectiveScan(const SelectiveScanArgs& args) {
  const F32 zero = F32::Zero();
  const F32 step = F32::Broadcast(args.step);
  const F32 keep_all = args.decay_of_all ? Exp(step * F32::Broadcast(args.decay[0])) : F32::Zero();
  for (std::int64_t channel = 0; channel < args.channels; ++channel) {
    float* const h = args.h + channel * args.n;
    const float x = args.x[channel];
    const F32 write = F32::Broadcast(args.step * x);
    F32 sum = zero;
    ForVectors<F32>(args.n, [&](std::int64_t i, auto vector) {
      const F32 keep = args.decay_of_all ? keep_all : Exp(step * vector.Load(args.decay + i, zero));
      const F32 after =
          MulAdd(write, vector.Load(args.b + i, zero), keep * vector.Load(h + i, zero));
      vector.Store(after, h + i);
      sum = MulAdd(after, vector.Load(args.c + i, zero), sum);
    });
    args.x[channel] = SumLanes(sum) + args.skip * x;
  }
}

}  // namespace ashlar::simd
