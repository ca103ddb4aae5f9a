// y[k] = exp(x[k] - max(x)) / sum_j exp(x[j] - max(x))
//
// |y - exact| <= (max - x + ln n + n / 32 + 12) 2^-24 exact + 2^-126: the rounding of x - max,
// which exp turns into a relative error; the same, averaged over all terms of the sum (of which the
// entropy, at most ln n, is a bound); the sum; exp and the products. Below 2^-126 it may be 0.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ashlar/kernels/isa.h"

namespace ashlar {

// x, y: [n], n >= 1; y may be x. -infinity is allowed (probability 0) unless all are.
using SoftmaxFn = void (*)(const float* x, float* y, std::int64_t n) noexcept;

struct SoftmaxForm {
  Isa isa;
  std::string_view name;
  SoftmaxFn fn;
};
std::span<const SoftmaxForm> SoftmaxForms();  // slowest first; [0] is the reference

}  // namespace ashlar
