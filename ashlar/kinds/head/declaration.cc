#include "ashlar/kinds/head/head.h"
#include "ashlar/kinds/internal/attribute_specs.h"

namespace ashlar {
namespace {

constexpr AttributeSpec kAttributes[] = {
    internal::RequiredInteger("width", internal::kMaxWidth, "floats of the input"),
    internal::RequiredInteger("vocabulary", internal::kMaxVocabulary, "logits of the output"),
    internal::Flag("bias", "1: a bias is added"),
    internal::OptionalReal("multiplier", 1, "of the logits, before the cap"),
    internal::OptionalReal("soft_cap", 0, "logits stay within +- this (Gemma 2); 0: no cap"),
};

Result<std::vector<TensorSpec>> Tensors(const Attributes& attributes) {
  ASHLAR_TRY(internal::RequireNotNegative(attributes, "soft_cap"));
  const std::int64_t vocabulary = attributes.Integer("vocabulary");
  std::vector<TensorSpec> tensors = {
      {"weight", TensorRole::kMatrix, {vocabulary, attributes.Integer("width")}}};
  if (internal::IsSet(attributes, "bias")) {
    tensors.push_back({"bias", TensorRole::kVector, {vocabulary}});
  }
  return tensors;
}

Interface InterfaceOf(const Attributes& attributes) {
  return {.width_in = attributes.Integer("width"),
          .width_out = attributes.Integer("vocabulary"),
          .vocabulary = attributes.Integer("vocabulary")};
}

Cost CostOf(const Attributes& attributes) {
  return {.flops = 2.0 * static_cast<double>(attributes.Integer("width")) *
                   static_cast<double>(attributes.Integer("vocabulary"))};
}

}  // namespace

constinit const BlockKind kHead{
    .name = "head",
    .summary = "logits = cap(multiplier * (weight x + bias))",
    .attributes = kAttributes,
    .slices = {},
    .tensors = Tensors,
    .interface = InterfaceOf,
    .cost = CostOf,
    .apply_slice = nullptr,
};

}  // namespace ashlar
