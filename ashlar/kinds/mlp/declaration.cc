#include "ashlar/kinds/internal/norm_attributes.h"
#include "ashlar/kinds/mlp/mlp.h"

namespace ashlar {
namespace {

using internal::IsSet;

constexpr std::string_view kForms[] = {"plain", "gated"};
constexpr std::string_view kActivations[] = {"silu", "gelu", "gelu_tanh", "relu"};

constexpr AttributeSpec kAttributes[] = {
    internal::RequiredInteger("width", internal::kMaxWidth, "floats of input and output"),
    internal::RequiredInteger("channels", internal::kMaxChannels, "floats between the matrices"),
    internal::OptionalChoice("form", kForms, "plain: f(up x); gated: f(gate x) * up x"),
    internal::RequiredChoice("activation", kActivations, "f: silu, gelu, gelu_tanh or relu"),
    internal::Flag("bias", "1: gate, up and down have biases"),
    internal::OptionalReal("multiplier", 1, "of the output"),
    internal::kNormAttribute,
    internal::kPostNormAttribute,
    internal::kNormEpsAttribute,
    internal::kNormOffsetAttribute,
    internal::kNormBiasAttribute,
};

constexpr SliceAxis kSlices[] = {
    {"channels", "the first channels: rows of gate and up, columns of down"},
};

Result<std::vector<TensorSpec>> Tensors(const Attributes& attributes) {
  const internal::NormSettings norm = internal::SettingsOf(attributes, "norm");
  const internal::NormSettings post_norm = internal::SettingsOf(attributes, "post_norm");
  ASHLAR_TRY(internal::CheckNorms(kAttributes, attributes, {norm.type, post_norm.type}));
  const std::int64_t width = attributes.Integer("width");
  const std::int64_t channels = attributes.Integer("channels");
  std::vector<TensorSpec> tensors;
  const auto append = [&](const char* name, std::int64_t outputs, std::int64_t inputs) {
    tensors.push_back({name, TensorRole::kMatrix, {outputs, inputs}});
    if (IsSet(attributes, "bias")) {
      tensors.push_back({internal::TensorName(name, "bias"), TensorRole::kVector, {outputs}});
    }
  };
  AppendNormTensors(norm, "norm", width, tensors);
  if (attributes.Choice("form") == "gated") {
    append("gate", channels, width);
  }
  append("up", channels, width);
  append("down", width, channels);
  AppendNormTensors(post_norm, "post_norm", width, tensors);
  return tensors;
}

Interface InterfaceOf(const Attributes& attributes) {
  return {.width_in = attributes.Integer("width"), .width_out = attributes.Integer("width")};
}

Cost CostOf(const Attributes& attributes) {
  const double matrices = attributes.Choice("form") == "gated" ? 3 : 2;
  return {.flops = 2.0 * matrices * static_cast<double>(attributes.Integer("width")) *
                   static_cast<double>(attributes.Integer("channels"))};
}

Attributes ApplySlice(const Attributes& attributes, const Slice& slice) {
  const auto channels = slice.find("channels");
  return channels == slice.end() ? attributes : attributes.With("channels", channels->second);
}

}  // namespace

constinit const BlockKind kMlp{
    .name = "mlp",
    .summary = "y = multiplier * post_norm(down(f(gate(n)) * up(n))), n = norm(x)",
    .attributes = kAttributes,
    .slices = kSlices,
    .tensors = Tensors,
    .interface = InterfaceOf,
    .cost = CostOf,
    .apply_slice = ApplySlice,
};

}  // namespace ashlar
