// The body of the vector forms of selective_scan: some channels at a time, which share what is read
// of b, c and the decays, and whose sums do not wait for each other.
#pragma once

#include <cstdint>

#include "ashlar/kernels/selective_scan/selective_scan_args.h"
#include "ashlar/kernels/simd/for_vectors.h"
#include "ashlar/kernels/simd/math.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::simd {

// One vector of the states of kChannels channels, at h + i.
template <class F32, bool kDecayOfAll, int kChannels, class Vector>
[[gnu::always_inline]] inline void ScanVector(const SelectiveScanArgs& args, Vector vector,
                                              float* h, std::int64_t i, F32 step, F32 keep,
                                              const F32 (&write)[kChannels],
                                              F32 (&sum)[kChannels]) {
  const F32 zero = F32::Zero();
  if constexpr (!kDecayOfAll) {
    keep = Exp(step * vector.Load(args.decay + i, zero));
  }
  const F32 b = vector.Load(args.b + i, zero);
  const F32 c = vector.Load(args.c + i, zero);
  ASHLAR_UNROLL
  for (int k = 0; k < kChannels; ++k) {
    float* const state = h + k * args.n + i;
    const F32 after = MulAdd(write[k], b, keep * vector.Load(state, zero));
    vector.Store(after, state);
    sum[k] = MulAdd(after, c, sum[k]);
  }
}

// (Inlined: a function that is given registers would leave their upper halves to its caller's
// caller, whose code without them would wait.)
template <class F32, bool kDecayOfAll, int kChannels>
[[gnu::always_inline]] inline void ScanChannels(const SelectiveScanArgs& args, std::int64_t channel,
                                                F32 step, F32 keep) {
  float* const h = args.h + channel * args.n;
  float* const x = args.x + channel;
  F32 write[kChannels], sum[kChannels];
  ASHLAR_UNROLL
  for (int k = 0; k < kChannels; ++k) {
    write[k] = F32::Broadcast(args.step * x[k]);
    sum[k] = F32::Zero();
  }
  const std::int64_t n = args.n;
  std::int64_t i = 0;
  for (; i + F32::kLanes <= n; i += F32::kLanes) {
    ScanVector<F32, kDecayOfAll>(args, WholeVector<F32>{}, h, i, step, keep, write, sum);
  }
  if (i < n) {
    ScanVector<F32, kDecayOfAll>(args, PartOfVector<F32>{n - i}, h, i, step, keep, write, sum);
  }
  ASHLAR_UNROLL
  for (int k = 0; k < kChannels; ++k) {
    x[k] = SumLanes(sum[k]) + args.skip * x[k];
  }
}

template <class F32, bool kDecayOfAll>
void ScanAll(const SelectiveScanArgs& args) {
  constexpr int kAtOnce = 4;
  const F32 step = F32::Broadcast(args.step);
  const F32 keep = kDecayOfAll ? Exp(step * F32::Broadcast(args.decay[0])) : F32::Zero();
  std::int64_t channel = 0;
  for (; channel + kAtOnce <= args.channels; channel += kAtOnce) {
    ScanChannels<F32, kDecayOfAll, kAtOnce>(args, channel, step, keep);
  }
  for (; channel < args.channels; ++channel) {
    ScanChannels<F32, kDecayOfAll, 1>(args, channel, step, keep);
  }
}

template <class F32>
void SelectiveScan(const SelectiveScanArgs& args) {
  args.decay_of_all ? ScanAll<F32, true>(args) : ScanAll<F32, false>(args);
}

}  // namespace ashlar::simd
