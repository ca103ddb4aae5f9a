// ASHLAR_UNROLL before a loop with a constant bound unrolls it completely, so that small arrays of
// vectors become registers. (At -O2 neither compiler does so unasked.)
#pragma once

#if defined(__clang__)
#define ASHLAR_UNROLL _Pragma("clang loop unroll(full)")
#else
#define ASHLAR_UNROLL _Pragma("GCC unroll 16")
#endif
