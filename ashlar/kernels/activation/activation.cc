#include "ashlar/kernels/activation/activation.h"

#include <array>
#include <type_traits>

#include <fmt/format.h>

#include "ashlar/base/check.h"

namespace ashlar {

namespace reference {
std::remove_pointer_t<ActivateFn> Silu, Gelu, GeluTanh, Relu, Relu2, Sigmoid;
}
namespace avx2 {
std::remove_pointer_t<ActivateFn> Silu, Gelu, GeluTanh, Relu, Relu2, Sigmoid;
}
namespace avx512 {
std::remove_pointer_t<ActivateFn> Silu, Gelu, GeluTanh, Relu, Relu2, Sigmoid;
}

namespace {
constexpr std::array kAllActivations = {Activation::kSilu,     Activation::kGelu,
                                        Activation::kGeluTanh, Activation::kRelu,
                                        Activation::kRelu2,    Activation::kSigmoid};
}

std::string_view ActivationName(Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return "silu";
    case Activation::kGelu:
      return "gelu";
    case Activation::kGeluTanh:
      return "gelu_tanh";
    case Activation::kRelu:
      return "relu";
    case Activation::kRelu2:
      return "relu2";
    case Activation::kSigmoid:
      return "sigmoid";
  }
  CHECK(false);
}

Result<Activation> FindActivation(std::string_view name) {
  for (const Activation activation : kAllActivations) {
    if (name == ActivationName(activation)) {
      return activation;
    }
  }
  return Invalid(
      "unknown activation \"{}\"; known are silu, gelu, gelu_tanh, relu, relu2, "
      "sigmoid",
      name);
}

std::span<const ActivationForm> ActivationForms() {
  static constexpr ActivationForm kForms[] = {
      {Isa::kReference, "reference", Activation::kSilu, reference::Silu},
      {Isa::kAvx2, "avx2", Activation::kSilu, avx2::Silu},
      {Isa::kAvx512, "avx512", Activation::kSilu, avx512::Silu},
      {Isa::kReference, "reference", Activation::kGelu, reference::Gelu},
      {Isa::kAvx2, "avx2", Activation::kGelu, avx2::Gelu},
      {Isa::kAvx512, "avx512", Activation::kGelu, avx512::Gelu},
      {Isa::kReference, "reference", Activation::kGeluTanh, reference::GeluTanh},
      {Isa::kAvx2, "avx2", Activation::kGeluTanh, avx2::GeluTanh},
      {Isa::kAvx512, "avx512", Activation::kGeluTanh, avx512::GeluTanh},
      {Isa::kReference, "reference", Activation::kRelu, reference::Relu},
      {Isa::kAvx2, "avx2", Activation::kRelu, avx2::Relu},
      {Isa::kAvx512, "avx512", Activation::kRelu, avx512::Relu},
      {Isa::kReference, "reference", Activation::kRelu2, reference::Relu2},
      {Isa::kAvx2, "avx2", Activation::kRelu2, avx2::Relu2},
      {Isa::kAvx512, "avx512", Activation::kRelu2, avx512::Relu2},
      {Isa::kReference, "reference", Activation::kSigmoid, reference::Sigmoid},
      {Isa::kAvx2, "avx2", Activation::kSigmoid, avx2::Sigmoid},
      {Isa::kAvx512, "avx512", Activation::kSigmoid, avx512::Sigmoid},
  };
  return kForms;
}

ActivateFn FindActivate(Activation activation, Isa isa) {
  ActivateFn best = nullptr;
  for (const ActivationForm& form : ActivationForms()) {
    if (form.activation == activation && form.isa <= isa) {
      best = form.fn;
    }
  }
  return best;
}

}  // namespace ashlar
