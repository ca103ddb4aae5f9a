#include "ashlar/kinds/embed/embed.h"
#include "ashlar/kinds/internal/attribute_specs.h"

namespace ashlar {
namespace {

using internal::OptionalInteger;
using internal::OptionalReal;
using internal::RequiredInteger;

constexpr AttributeSpec kAttributes[] = {
    RequiredInteger("width", internal::kMaxWidth, "floats of the output"),
    RequiredInteger("vocabulary", internal::kMaxVocabulary, "token ids are below this"),
    OptionalReal("multiplier", 1, "of the weight"),
    OptionalInteger("positions", internal::kMaxPositions,
                    "a learned row is added for each position below this (GPT-2); 0: none"),
};

Result<std::vector<TensorSpec>> Tensors(const Attributes& attributes) {
  const std::int64_t width = attributes.Integer("width");
  std::vector<TensorSpec> tensors = {
      {"weight", TensorRole::kMatrix, {attributes.Integer("vocabulary"), width}}};
  if (const std::int64_t positions = attributes.Integer("positions"); positions != 0) {
    tensors.push_back({"positions", TensorRole::kMatrix, {positions, width}});
  }
  return tensors;
}

Interface InterfaceOf(const Attributes& attributes) {
  return {.width_in = 0,
          .width_out = attributes.Integer("width"),
          .max_positions = attributes.Integer("positions"),
          .vocabulary = attributes.Integer("vocabulary")};
}

Cost CostOf(const Attributes&) {
  return {};
}

}  // namespace

constinit const BlockKind kEmbed{
    .name = "embed",
    .summary = "y = multiplier * weight[token] + positions[p]",
    .attributes = kAttributes,
    .slices = {},
    .tensors = Tensors,
    .interface = InterfaceOf,
    .cost = CostOf,
    .apply_slice = nullptr,
};

}  // namespace ashlar
