// y[k] = exp(x[k] - max(x)) / sum_j exp(x[j] - max(x))
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
