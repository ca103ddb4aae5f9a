// What this machine can do at most, measured: the denominators of benchmarks.
//
// Seconds are those that a thread ran, so that a busy neighbour on the core makes no figure worse
// (one on the same memory bus does). Each takes some tenths of a second: the best of several
// rounds.
#pragma once

#include "ashlar/kernels/isa.h"

namespace ashlar {

// The processor time of the calling thread.
double ThreadSeconds();

// One thread, from registers only: fused multiply-adds of f32 count as 2 operations, products of
// bytes (accumulated) as 2 as well. By the instructions that the linear kernels of `isa` are made
// of: on AMX, one of f32 by bf16 is three of bf16. 0 for the reference, which has no peak to
// compare with. Requires: Supported(isa).
double PeakF32PerSecond(Isa isa);
double PeakInt8PerSecond(Isa isa);

// Bytes per second that `threads` threads together read from memory, each streaming through its
// own part of a buffer too large for any cache: several streams at a time, fetched ahead, since
// that is more than one stream gets.
double ReadBytesPerSecond(int threads);

}  // namespace ashlar
