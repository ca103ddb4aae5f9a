// ASHLAR_UNROLL before a loop with a constant bound unrolls it completely, so that small arrays of
// vectors become registers. (At -O2 neither compiler does so unasked.) ASHLAR_LOOP before a short
// loop keeps it one, so that what it does not use need not have a register there; and what it
// changes has one at the end of each turn where ASHLAR_IN_REGISTER(vector) says so. (GCC 12 stores
// it there otherwise, for whoever comes after the loop, and goes on with a copy.)
#pragma once

#if defined(__clang__)
#define ASHLAR_UNROLL _Pragma("clang loop unroll(full)")
#define ASHLAR_LOOP _Pragma("clang loop unroll(disable)")
#else
#define ASHLAR_UNROLL _Pragma("GCC unroll 16")
#define ASHLAR_LOOP _Pragma("GCC unroll 1")
#endif
#define ASHLAR_IN_REGISTER(vector) asm("" : "+x"(vector))
