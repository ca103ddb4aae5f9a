#include "ashlar/kinds/internal/feed_forward.h"
#include "ashlar/kinds/linear_attention/linear_attention.h"
#include "ashlar/kinds/linear_attention/linear_attention_settings.h"

namespace ashlar {
namespace {

using internal::LinearAttentionSizes;
using internal::OptionalReal;
using internal::RequiredInteger;

constexpr std::string_view kValueNorms[] = {"none", "rms"};

constexpr AttributeSpec kAttributes[] = {
    RequiredInteger("width", internal::kMaxWidth, "floats of input and output"),
    RequiredInteger("heads", internal::kMaxHeads, "heads of values, each with a state of its own"),
    RequiredInteger("key_heads", internal::kMaxHeads,
                    "heads of queries and keys; heads share them"),
    RequiredInteger("key_dim", internal::kMaxHeadDim, "floats of a query or key of one head"),
    RequiredInteger("value_dim", internal::kMaxHeadDim, "floats of a value of one head"),
    internal::kConvTapsAttribute,
    internal::kConvBiasAttribute,
    internal::kActivationAttribute,
    OptionalReal("qk_eps", 1e-6, "added to the squares of a query or key before it is scaled to 1"),
    internal::OptionalChoice("value_norm", kValueNorms,
                             "norm of each head's output, before the gate and without the offset"),
    OptionalReal("multiplier", 1, "of the output"),
    internal::kNormAttribute,
    internal::kPostNormAttribute,
    internal::kNormEpsAttribute,
    internal::kNormOffsetAttribute,
    internal::kNormBiasAttribute,
};

constexpr SliceAxis kSlices[] = {
    {"key_heads", "the first heads of queries and keys, with the heads of values that share them"},
};

Result<std::vector<TensorSpec>> Tensors(const Attributes& attributes) {
  const LinearAttentionSizes sizes(attributes);
  if (sizes.heads % sizes.key_heads != 0) {
    return Invalid("heads {} is no multiple of key_heads {}", sizes.heads, sizes.key_heads);
  }
  ASHLAR_TRY(internal::RequireNotNegative(attributes, "qk_eps"));
  const internal::NormSettings norm = internal::SettingsOf(attributes, "norm");
  const internal::NormSettings post_norm = internal::SettingsOf(attributes, "post_norm");
  const internal::NormSettings value_norm = internal::ValueNormOf(attributes);
  ASHLAR_TRY(
      internal::CheckNorms(kAttributes, attributes, {norm.type, post_norm.type, value_norm.type}));
  std::vector<TensorSpec> tensors;
  const auto append = [&](const char* name, std::int64_t outputs, TensorRole role) {
    tensors.push_back({name, role, {outputs, sizes.width}});
  };
  AppendNormTensors(norm, "norm", sizes.width, tensors);
  append("q", sizes.keys(), TensorRole::kMatrix);
  append("k", sizes.keys(), TensorRole::kMatrix);
  append("v", sizes.values(), TensorRole::kMatrix);
  append("gate", sizes.values(), TensorRole::kMatrix);
  append("write", sizes.heads, TensorRole::kRouter);
  append("step", sizes.heads, TensorRole::kRouter);
  tensors.push_back({"step_offset", TensorRole::kVector, {sizes.heads}});
  tensors.push_back({"decay_log", TensorRole::kVector, {sizes.heads}});
  internal::AppendConvTensors(attributes, "conv.q", sizes.keys(), tensors);
  internal::AppendConvTensors(attributes, "conv.k", sizes.keys(), tensors);
  internal::AppendConvTensors(attributes, "conv.v", sizes.values(), tensors);
  AppendNormTensors(value_norm, "value_norm", sizes.value_dim, tensors);
  tensors.push_back({"o", TensorRole::kMatrix, {sizes.width, sizes.values()}});
  AppendNormTensors(post_norm, "post_norm", sizes.width, tensors);
  return tensors;
}

Interface InterfaceOf(const Attributes& attributes) {
  const LinearAttentionSizes sizes(attributes);
  return {.width_in = sizes.width,
          .width_out = sizes.width,
          .carried_floats = sizes.heads * sizes.head_floats() +
                            internal::CausalConv::StateFloats(attributes, sizes.convolved()),
          .state_shape =
              fmt::format("delta:{}x{}x{}+{}x{}", sizes.heads, sizes.key_dim, sizes.value_dim,
                          sizes.convolved(), attributes.Integer("conv_taps") - 1)};
}

// Of the state: its decay, what the key finds, what is written, what the query finds.
Cost CostOf(const Attributes& attributes) {
  const LinearAttentionSizes sizes(attributes);
  const auto number = [](std::int64_t count) { return static_cast<double>(count); };
  const double matrices =
      number(sizes.width) * number(2 * sizes.keys() + 3 * sizes.values() + 2 * sizes.heads);
  return {.flops =
              2 * (matrices + number(sizes.convolved()) * number(attributes.Integer("conv_taps"))) +
              7 * number(sizes.heads) * number(sizes.head_floats())};
}

Attributes ApplySlice(const Attributes& attributes, const Slice& slice) {
  const auto key_heads = slice.find("key_heads");
  if (key_heads == slice.end()) {
    return attributes;
  }
  const std::int64_t group = attributes.Integer("heads") / attributes.Integer("key_heads");
  return attributes.With("key_heads", key_heads->second).With("heads", group * key_heads->second);
}

}  // namespace

constinit const BlockKind kLinearAttention{
    .name = "linear_attention",
    .summary =
        "y = multiplier * post_norm(o(value_norm(scan(conv(q(n), k(n), v(n)))) * "
        "silu(gate(n)))), n = norm(x)",
    .attributes = kAttributes,
    .slices = kSlices,
    .tensors = Tensors,
    .interface = InterfaceOf,
    .cost = CostOf,
    .apply_slice = ApplySlice,
};

}  // namespace ashlar
