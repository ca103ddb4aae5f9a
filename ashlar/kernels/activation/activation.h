// The element-wise functions of MLPs, plain and gated (Shazeer 2020, "GLU Variants"):
//   silu(x) = x / (1 + exp(-x))
//   gelu(x) = x / 2 (1 + erf(x / sqrt 2))
//   gelu_tanh(x) = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
//   relu(x) = max(x, 0)            relu2(x) = relu(x)^2
//   sigmoid(x) = 1 / (1 + exp(-x))
// plain: y = f(x); gated: y = f(gate) up.
//
// Relative error, in units of 2^-24: silu 7, gelu 15, relu 1, relu2 2, sigmoid 5,
// gelu_tanh 7 + 6 |z| where exp(-z) is
// what is computed, z = sqrt(8 / pi) (x + 0.044715 x^3). Besides, where the function is below
// 2^-126 |x| it may be 0. NaN stays NaN.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ashlar/base/result.h"
#include "ashlar/kernels/isa.h"

namespace ashlar {

enum class Activation : std::uint8_t { kSilu, kGelu, kGeluTanh, kRelu, kRelu2, kSigmoid };
std::string_view ActivationName(Activation activation);  // "silu", "gelu_tanh"
Result<Activation> FindActivation(std::string_view name);

// gate, up, y: [n]; `up` null means plain; y may be gate or up.
using ActivateFn = void (*)(const float* gate, const float* up, float* y, std::int64_t n) noexcept;

struct ActivationForm {
  Isa isa;
  std::string_view name;
  Activation activation;
  ActivateFn fn;
};
std::span<const ActivationForm> ActivationForms();  // by activation, then slowest first
ActivateFn FindActivate(Activation activation, Isa isa);

}  // namespace ashlar
