#include "ashlar/kinds/norm/norm.h"
#include "ashlar/kinds/norm/norm_settings.h"

namespace ashlar {
namespace {

using internal::Flag;
using internal::OptionalReal;
using internal::RequiredChoice;
using internal::RequiredInteger;
using internal::RequiredReal;

constexpr std::string_view kTypes[] = {"rms", "layer"};

constexpr AttributeSpec kAttributes[] = {
    RequiredInteger("width", internal::kMaxWidth, "floats of the input and of the output"),
    RequiredChoice("type", kTypes, "rms or layer"),
    RequiredReal("eps", "epsilon under the root, above 0"),
    OptionalReal("offset", 0, "added to the weight (Gemma: 1)"),
    Flag("bias", "1: a layer norm has a bias"),
};

Result<std::vector<TensorSpec>> Tensors(const Attributes& attributes) {
  ASHLAR_TRY(internal::RequirePositive(attributes, "eps"));
  if (attributes.Choice("type") != "layer") {
    ASHLAR_TRY(internal::RequireDefaults(kAttributes, attributes, {"bias"}, "the type is rms"));
  }
  std::vector<TensorSpec> tensors;
  AppendNormTensors(internal::SettingsOfNorm(attributes), "", attributes.Integer("width"), tensors);
  return tensors;
}

Interface InterfaceOf(const Attributes& attributes) {
  return {.width_in = attributes.Integer("width"), .width_out = attributes.Integer("width")};
}

Cost CostOf(const Attributes& attributes) {
  return {.flops = 4.0 * static_cast<double>(attributes.Integer("width"))};
}

}  // namespace

constinit const BlockKind kNorm{
    .name = "norm",
    .summary = "y = x / sqrt(mean(x^2) + eps) * (weight + offset), or the same about the mean",
    .attributes = kAttributes,
    .slices = {},
    .tensors = Tensors,
    .interface = InterfaceOf,
    .cost = CostOf,
    .apply_slice = nullptr,
};

}  // namespace ashlar
