// y[k] = (scale * x[k]) + b[k]
//
// The product and the sum are rounded each, as plain loops do: every form gives the bits of the
// reference. (A residual stream is a sum of such terms.)
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ashlar/kernels/isa.h"

namespace ashlar {

// x, b, y: [n]; y may be x or b, or both.
using AddScaledFn = void (*)(float scale, const float* x, const float* b, float* y,
                             std::int64_t n) noexcept;

struct AddScaledForm {
  Isa isa;
  std::string_view name;
  AddScaledFn fn;
};
std::span<const AddScaledForm> AddScaledForms();  // slowest first; [0] is the reference

}  // namespace ashlar
