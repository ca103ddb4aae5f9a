#include "ashlar/kinds/internal/feed_forward.h"
#include "ashlar/kinds/internal/norm_attributes.h"
#include "ashlar/kinds/mlp/mlp.h"

namespace ashlar {
namespace {

constexpr AttributeSpec kAttributes[] = {
    internal::RequiredInteger("width", internal::kMaxWidth, "floats of input and output"),
    internal::RequiredInteger("channels", internal::kMaxChannels, "floats between the matrices"),
    internal::kFormAttribute,
    internal::kActivationAttribute,
    internal::Flag("bias", "1: gate, up and down have biases"),
    internal::Flag("shift",
                   "1: gate and up read a mix of the row and the one before it, and out_gate "
                   "another (RWKV)"),
    internal::Flag("out_gate", "1: the output is multiplied by sigmoid(out_gate n) (RWKV)"),
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
  std::vector<TensorSpec> tensors;
  AppendNormTensors(norm, "norm", width, tensors);
  internal::AppendFeedForwardTensors(attributes, "", width, attributes.Integer("channels"),
                                     tensors);
  const bool shift = internal::IsSet(attributes, "shift");
  if (shift) {
    tensors.push_back({"mix.up", TensorRole::kVector, {width}});
  }
  if (internal::IsSet(attributes, "out_gate")) {
    tensors.push_back({"out_gate", TensorRole::kMatrix, {width, width}});
    if (shift) {
      tensors.push_back({"mix.out_gate", TensorRole::kVector, {width}});
    }
  }
  AppendNormTensors(post_norm, "post_norm", width, tensors);
  return tensors;
}

Interface InterfaceOf(const Attributes& attributes) {
  const std::int64_t width = attributes.Integer("width");
  Interface interface { .width_in = width, .width_out = width };
  if (internal::IsSet(attributes, "shift")) {
    interface.carried_floats = width;
    interface.state_shape = fmt::format("shift:{}", width);
  }
  return interface;
}

Cost CostOf(const Attributes& attributes) {
  const double matrices = internal::IsGated(attributes) ? 3 : 2;
  const auto width = static_cast<double>(attributes.Integer("width"));
  const auto gate = static_cast<double>(attributes.Integer("out_gate"));
  return {.flops = 2.0 * width *
                   (matrices * static_cast<double>(attributes.Integer("channels")) + gate * width)};
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
