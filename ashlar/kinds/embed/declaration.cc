#include "ashlar/kinds/embed/embed.h"
#include "ashlar/kinds/internal/attribute_specs.h"

namespace ashlar {
namespace {

using internal::OptionalReal;
using internal::RequiredInteger;

constexpr AttributeSpec kAttributes[] = {
    RequiredInteger("width", internal::kMaxWidth, "floats of the output"),
    RequiredInteger("vocabulary", internal::kMaxVocabulary, "token ids are below this"),
    OptionalReal("multiplier", 1, "of the output"),
};

Result<std::vector<TensorSpec>> Tensors(const Attributes& attributes) {
  return std::vector<TensorSpec>{{"weight",
                                  TensorRole::kMatrix,
                                  {attributes.Integer("vocabulary"), attributes.Integer("width")}}};
}

Interface InterfaceOf(const Attributes& attributes) {
  return {.width_in = 0,
          .width_out = attributes.Integer("width"),
          .vocabulary = attributes.Integer("vocabulary")};
}

Cost CostOf(const Attributes&) {
  return {};
}

}  // namespace

constinit const BlockKind kEmbed{
    .name = "embed",
    .summary = "y = multiplier * weight[token]",
    .attributes = kAttributes,
    .slices = {},
    .tensors = Tensors,
    .interface = InterfaceOf,
    .cost = CostOf,
    .apply_slice = nullptr,
};

}  // namespace ashlar
