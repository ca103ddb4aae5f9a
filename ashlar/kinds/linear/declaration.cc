#include "ashlar/kinds/internal/norm_attributes.h"
#include "ashlar/kinds/linear/linear.h"

namespace ashlar {
namespace {

constexpr AttributeSpec kAttributes[] = {
    internal::RequiredInteger("width_in", internal::kMaxWidth, "floats of the input"),
    internal::RequiredInteger("width_out", internal::kMaxWidth, "floats of the output"),
    internal::Flag("bias", "1: a bias is added"),
    internal::kNormAttribute,
    internal::kNormEpsAttribute,
    internal::kNormOffsetAttribute,
    internal::kNormBiasAttribute,
};

Result<std::vector<TensorSpec>> Tensors(const Attributes& attributes) {
  const internal::NormSettings norm = internal::SettingsOf(attributes, "norm");
  ASHLAR_TRY(internal::CheckNorms(kAttributes, attributes, {norm.type}));
  const std::int64_t width_in = attributes.Integer("width_in");
  const std::int64_t width_out = attributes.Integer("width_out");
  std::vector<TensorSpec> tensors;
  AppendNormTensors(norm, "norm", width_in, tensors);
  tensors.push_back({"weight", TensorRole::kMatrix, {width_out, width_in}});
  if (internal::IsSet(attributes, "bias")) {
    tensors.push_back({"bias", TensorRole::kVector, {width_out}});
  }
  return tensors;
}

Interface InterfaceOf(const Attributes& attributes) {
  return {.width_in = attributes.Integer("width_in"), .width_out = attributes.Integer("width_out")};
}

Cost CostOf(const Attributes& attributes) {
  return {.flops = 2.0 * static_cast<double>(attributes.Integer("width_in")) *
                   static_cast<double>(attributes.Integer("width_out"))};
}

}  // namespace

constinit const BlockKind kLinear{
    .name = "linear",
    .summary = "y = weight norm(x) + bias",
    .attributes = kAttributes,
    .slices = {},
    .tensors = Tensors,
    .interface = InterfaceOf,
    .cost = CostOf,
    .apply_slice = nullptr,
};

}  // namespace ashlar
