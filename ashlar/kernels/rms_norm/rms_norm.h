// y[k] = x[k] / sqrt(mean(x^2) + eps) * w[k]   (Zhang and Sennrich 2019, eq. 4)
//
// |y - exact| <= (n / 64 + 12) 2^-24 |exact|: half the error of the sum of squares (kernels/simd/
// sum.h), and the roundings of the mean, the root, the quotient and the products. Requires: the
// squares do not overflow (|x| < 2^63 / sqrt n).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ashlar/kernels/isa.h"

namespace ashlar {

// x, w, y: [n], n >= 1; y may be x. Any alignment.
using RmsNormFn = void (*)(const float* x, const float* w, float* y, std::int64_t n,
                           float eps) noexcept;

struct RmsNormForm {
  Isa isa;
  std::string_view name;
  RmsNormFn fn;
};
std::span<const RmsNormForm> RmsNormForms();  // slowest first; [0] is the reference

}  // namespace ashlar
