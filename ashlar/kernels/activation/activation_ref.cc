#include <cmath>
#include <numbers>

#include "ashlar/kernels/activation/activation.h"

namespace ashlar::reference {
namespace {

double SiluOf(double x) {
  return x / (1 + std::exp(-x));
}

// erfc rather than 1 + erf, which cancels for negative x.
double GeluOf(double x) {
  return x / 2 * std::erfc(-x / std::numbers::sqrt2);
}

// With u = sqrt(2 / pi) (x + 0.044715 x^3), (1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u)), which does not
// cancel either.
double GeluTanhOf(double x) {
  const double u = std::numbers::sqrt2 * std::numbers::inv_sqrtpi * (x + 0.044715 * x * x * x);
  return x / (1 + std::exp(-2 * u));
}

double ReluOf(double x) {
  return x < 0 ? 0 : x;
}

double Relu2Of(double x) {
  return x < 0 ? 0 : x * x;
}

double SigmoidOf(double x) {
  return 1 / (1 + std::exp(-x));
}

template <double (*function)(double)>
void Activate(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  for (std::int64_t k = 0; k < n; ++k) {
    const double factor = up == nullptr ? 1 : up[k];
    y[k] = static_cast<float>(function(gate[k]) * factor);
  }
}

}  // namespace

void Silu(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  Activate<SiluOf>(gate, up, y, n);
}
void Gelu(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  Activate<GeluOf>(gate, up, y, n);
}
void GeluTanh(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  Activate<GeluTanhOf>(gate, up, y, n);
}
void Relu(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  Activate<ReluOf>(gate, up, y, n);
}
void Relu2(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  Activate<Relu2Of>(gate, up, y, n);
}
void Sigmoid(const float* gate, const float* up, float* y, std::int64_t n) noexcept {
  Activate<SigmoidOf>(gate, up, y, n);
}

}  // namespace ashlar::reference
