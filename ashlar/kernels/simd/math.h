// Elementary functions on a vector type, with derived error bounds. u = 2^-24, half an ulp of 1.
//
// The polynomials are minimax fits (Remez exchange, in 40 digits) whose coefficients were then
// rounded to f32; the fit errors quoted are those after rounding. math_test.cc holds every
// function to its bound.
#pragma once

#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::simd {

// c[0] + c[1] x + ... + c[kTerms - 1] x^(kTerms - 1), by Horner's rule.
template <class F32, int kTerms>
F32 Polynomial(F32 x, const float (&c)[kTerms]) {
  F32 sum = F32::Broadcast(c[kTerms - 1]);
  ASHLAR_UNROLL
  for (int i = kTerms - 2; i >= 0; --i) {
    sum = MulAdd(sum, x, F32::Broadcast(c[i]));
  }
  return sum;
}

// Below it exp(x) is less than the smallest normal f32, 2^-126, and is flushed to 0.
inline constexpr float kExpFlush = -87.3365f;

// exp(x). Requires: x <= 0 or NaN (which stays NaN). exp(0) is exactly 1, exp(-infinity) exactly 0.
// Relative error at most 2 u (measured: 1.44 u), or absolute 2^-126 where flushed.
//
// n = round(x / ln 2), r = x - n ln 2 in two steps: the high part of ln 2 has 15 bits, so the first
// is exact; the second rounds once, to 2^-26. With |r| <= 0.347, exp(r) = 1 + (r + r^2 P(r)):
// P's fit errs by 0.08 u; r, the sum in brackets and the last sum by 0.25, 0.25 and (as the result
// lies in [1, 1.42) or [0.7, 1)) 1 or 0.5 u; r^2 P by 0.2 u. Relative to the result: 1.8 u.
template <class F32>
F32 Exp(F32 x) {
  constexpr float kLn2High = 0x1.62e4p-1f;
  constexpr float kLn2Low = 0x1.7f7d1cp-20f;
  const F32 n = Round(x * F32::Broadcast(0x1.715476p+0f));
  F32 r = NegMulAdd(n, F32::Broadcast(kLn2High), x);
  r = NegMulAdd(n, F32::Broadcast(kLn2Low), r);
  const F32 p = Polynomial<F32>(
      r, {0x1.fffffcp-2f, 0x1.55549p-3f, 0x1.5558f4p-5f, 0x1.123a6cp-7f, 0x1.6a2352p-10f});
  const F32 exp_r = F32::Broadcast(1) + MulAdd(r * r, p, r);
  return Select(Less(x, F32::Broadcast(kExpFlush)), F32::Zero(), exp_r * TwoToThe(n));
}

// Below it 2^x is less than the smallest normal f32 and is flushed to 0.
inline constexpr float kExp2Flush = -126;

// 2^x. Requires: x <= 0 or NaN (which stays NaN). 2^0 is exactly 1, 2^-infinity exactly 0. Relative
// error at most 2 u, or absolute 2^-126 where flushed. Three quarters of Exp's instructions.
//
// Added to 1.5 2^23, x becomes an integer n (ties to even) in the low bits of the sum; with the
// exponent's bias added to these as well, 23 places to the left they are 2^n. r = x - n, at most
// 1/2, is exact, and 2^r = 1 + r P(r). P's fit errs by 0.12 u; P's last sum, below 1, and its first
// coefficient by 0.5 u each, times r 0.5 u; the rest of P by 0.1 u; and the last sum by 1 or (as
// the result lies in [1, 1.42) or [0.7, 1)) 0.5 u. Relative to the result: 1.8 u.
template <class F32>
[[gnu::always_inline]] inline F32 Exp2(F32 x) {
  const F32 shift = F32::Broadcast(0x1.8p+23f + 127);
  const F32 shifted = x + shift;
  const F32 r = x - (shifted - shift);
  const F32 p = Polynomial<F32>(r, {0x1.62e432p-1f, 0x1.ebfbe6p-3f, 0x1.c6ada8p-5f, 0x1.3b21c8p-7f,
                                    0x1.5fbfdp-10f, 0x1.4c1416p-13f});
  const F32 exp2_r = MulAdd(r, p, F32::Broadcast(1));
  return Select(Less(x, F32::Broadcast(kExp2Flush)), F32::Zero(),
                exp2_r * LowBitsToExponent(shifted));
}

// 1 / (1 + exp(-x)). Relative error at most 4 u (measured: 2.96 u), or absolute 2^-126.
//
// With e = exp(-|x|), it is 1 / (1 + e) or e / (1 + e), where nothing cancels: an error of e enters
// at most once over, 2 u, and the sum and the quotient round by 1 u each.
template <class F32>
F32 Sigmoid(F32 x) {
  const F32 one = F32::Broadcast(1);
  const F32 e = Exp(F32::Zero() - Abs(x));
  return Select(Less(x, F32::Zero()), e, one) / (one + e);
}

// tanh(x). Relative error at most 4 u (measured: 2.60 u).
//
// |x| < 0.625: x + x^3 P(x^2), whose second term is at most 0.13 of the first and errs by 4 u of
// itself; with the last rounding 1.6 u. Otherwise 1 - 2 e / (1 + e) for e = exp(-2 |x|) <= 0.287:
// the quotient, at most 0.446, errs by 2 u / (1 + e) for e and 1 u each for the sum and itself,
// 1.6 u together; the difference, at least 0.554, rounds by 0.5 u. 2.1 u / 0.554 = 3.8 u.
template <class F32>
F32 Tanh(F32 x) {
  const F32 one = F32::Broadcast(1);
  const F32 a = Abs(x);
  const F32 z = x * x;
  const F32 p = Polynomial<F32>(
      z, {-0x1.555532p-2f, 0x1.110726p-3f, -0x1.b83c5ap-5f, 0x1.52269ap-6f, -0x1.75e1cap-8f});
  const F32 near = MulAdd(x * z, p, x);
  const F32 e = Exp(F32::Broadcast(-2) * a);
  const F32 far = CopySign(one - (e + e) / (one + e), x);
  return Select(Less(a, F32::Broadcast(0.625f)), near, far);
}

// The normal distribution function, (1 + erf(x / sqrt 2)) / 2. Relative error at most 12 u
// (measured: 6.9 u), or absolute 2^-126.
//
// With a = |x|, q = exp(-a^2 / 2) R(a) is the tail, for R(a) = exp(a^2 / 2) erfc(a / sqrt 2) / 2 in
// (0.03, 0.5] a polynomial in t = 1 / (1 + 11/32 a) up to a = 13.3, beyond which exp flushes to 0.
// The fit errs by 1 u, Horner's rule by 3, the two roundings of t by 3, exp by 2, the products
// by 2. The rounding of a^2 would count a^2 / 2 times over, so it is taken back, to first order.
// The result is q or 1 - q.
template <class F32>
F32 NormalCdf(F32 x) {
  const F32 one = F32::Broadcast(1);
  const F32 half = F32::Broadcast(0.5f);
  const F32 a = Min(F32::Broadcast(16), Abs(x));
  const F32 t = one / MulAdd(F32::Broadcast(0.34375f), a, one);
  const F32 r = Polynomial<F32>(
      t, {0x1.364dcap-23f, 0x1.18cfbcp-3f, 0x1.19ce38p-3f, 0x1.dca0c2p-4f, 0x1.d35596p-4f,
          -0x1.5de848p-5f, 0x1.915c7ep-3f, -0x1.1ae9c4p-2f, 0x1.2b4d1p-3f, -0x1.cfa948p-6f});
  const F32 square = a * a;
  const F32 rounded_off = MulSub(a, a, square);  // a^2 - square, exactly
  const F32 e = Exp(F32::Broadcast(-0.5f) * square);
  const F32 q = NegMulAdd(e * half, rounded_off, e) * r;
  return Select(Less(x, F32::Zero()), q, one - q);
}

}  // namespace ashlar::simd
