// y[k] = (x[k] - mean(x)) / sqrt(var(x) + eps) * w[k] + b[k]   (Ba et al. 2016, eq. 3; var is the
// mean of the squared deviations)
//
// With m the mean of |x| and s = sqrt(var + eps), and as long as the error of the mean is small
// beside s,
//   |y - exact| <= 2^-24 (|w| / s ((n / 32 + 10) m + (n / 64 + 12) |x - mean|) + 2 |exact|):
// the error of the mean; half that of the sum of squares, with the roundings that follow; and those
// of the product and the bias. Requires: the squares do not overflow (|x| < 2^62 / sqrt n).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ashlar/kernels/isa.h"

namespace ashlar {

// x, w, b, y: [n], n >= 1; b may be null (no bias); y may be x. Any alignment.
using LayerNormFn = void (*)(const float* x, const float* w, const float* b, float* y,
                             std::int64_t n, float eps) noexcept;

struct LayerNormForm {
  Isa isa;
  std::string_view name;
  LayerNormFn fn;
};
std::span<const LayerNormForm> LayerNormForms();  // slowest first; [0] is the reference

}  // namespace ashlar
