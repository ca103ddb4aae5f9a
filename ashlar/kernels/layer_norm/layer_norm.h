// y[k] = (x[k] - mean(x)) / sqrt(var(x) + eps) * w[k] + b[k]   (Ba et al. 2016, eq. 3; var is the
// mean of the squared deviations)
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
