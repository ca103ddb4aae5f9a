#include "ashlar/kinds/attention/attention.h"
#include "ashlar/kinds/attention/attention_settings.h"
#include "ashlar/kinds/internal/rope_attributes.h"

namespace ashlar {
namespace {

using internal::Flag;
using internal::IsSet;
using internal::OptionalChoice;
using internal::OptionalInteger;
using internal::OptionalReal;
using internal::RequiredInteger;

constexpr AttributeSpec kAttributes[] = {
    RequiredInteger("width", internal::kMaxWidth, "floats of input and output"),
    RequiredInteger("heads", internal::kMaxHeads, "query heads, a multiple of kv_heads"),
    RequiredInteger("kv_heads", internal::kMaxHeads, "heads of keys and values"),
    RequiredInteger("key_dim", internal::kMaxHeadDim, "floats of a query or key of one head"),
    RequiredInteger("value_dim", internal::kMaxHeadDim, "floats of a value of one head"),
    Flag("qkv_bias", "1: q, k and v have biases"),
    Flag("o_bias", "1: o has a bias"),
    Flag("o_gate", "1: what o reads is multiplied by sigmoid(gate n) (Qwen3-Next)"),
    OptionalReal("scale", 0, "of the scores; 0: 1 / sqrt(key_dim)"),
    OptionalReal("soft_cap", 0, "scores stay within +- this (Gemma 2); 0: no cap"),
    OptionalInteger("window", internal::kMaxPositions, "last positions a row sees; 0: all"),
    Flag("sinks", "1: each head has a logit that joins the softmax's sum only"),
    OptionalInteger("alibi_heads", internal::kMaxHeads,
                    "scores fall with distance, by ALiBi's slopes for so many heads; 0: none"),
    Flag("alibi_in_scale", "1: the slopes are multiplied by the scale as well (Falcon)"),
    OptionalReal("multiplier", 1, "of the output"),
    internal::kNormAttribute,
    internal::kPostNormAttribute,
    OptionalChoice("qk_norm", internal::kQkNorms,
                   "norm of queries and keys: of each head, by one weight for all heads "
                   "(per_head) or its own (of_each_head), or of all heads as one row (all_heads)"),
    Flag("qk_norm_bias", "1: it is a layer norm with a bias"),
    Flag("qk_norm_after_rope", "1: it follows the rotation"),
    internal::kNormEpsAttribute,
    internal::kNormOffsetAttribute,
    internal::kNormBiasAttribute,
    internal::kRopeDimsAttribute,
    internal::kRopePairsAttribute,
    internal::kRopeThetaAttribute,
    internal::kRopeScalingAttribute,
    internal::kRopeFactorAttribute,
    internal::kRopeOriginalPositionsAttribute,
    internal::kRopeLowFrequencyFactorAttribute,
    internal::kRopeHighFrequencyFactorAttribute,
    internal::kRopeBetaFastAttribute,
    internal::kRopeBetaSlowAttribute,
    internal::kRopeFractionalRampAttribute,
    internal::kRopeAttentionFactorAttribute,
};

constexpr SliceAxis kSlices[] = {
    {"kv_heads", "the first key-value heads, with their groups of query heads"},
};

Status CheckAlibi(const Attributes& attributes) {
  const std::int64_t slopes = attributes.Integer("alibi_heads");
  if (slopes == 0) {
    return internal::RequireDefaults(kAttributes, attributes, {"alibi_in_scale"},
                                     "alibi_heads is 0");
  }
  if (slopes < attributes.Integer("heads")) {
    return Invalid("attribute \"alibi_heads\" must be at least heads {}, found {}",
                   attributes.Integer("heads"), slopes);
  }
  return {};
}

Status CheckAllNorms(const Attributes& attributes, internal::NormType norm,
                     internal::NormType post_norm, internal::NormType qk_norm) {
  using internal::NormType;
  ASHLAR_TRY(internal::CheckNorms(kAttributes, attributes, {norm, post_norm, qk_norm}));
  if (norm != NormType::kLayer && post_norm != NormType::kLayer) {
    ASHLAR_TRY(internal::RequireDefaults(kAttributes, attributes, {"norm_bias"},
                                         "neither norm nor post_norm is layer"));
  }
  if (qk_norm != NormType::kLayer) {
    ASHLAR_TRY(internal::RequireDefaults(kAttributes, attributes, {"qk_norm_bias"},
                                         "qk_norm is no layer norm"));
  }
  return qk_norm != NormType::kNone
             ? Status()
             : internal::RequireDefaults(kAttributes, attributes, {"qk_norm_after_rope"},
                                         "qk_norm is none");
}

Result<std::vector<TensorSpec>> Tensors(const Attributes& attributes) {
  const std::int64_t width = attributes.Integer("width");
  const std::int64_t heads = attributes.Integer("heads");
  const std::int64_t kv_heads = attributes.Integer("kv_heads");
  const std::int64_t key_dim = attributes.Integer("key_dim");
  const std::int64_t value_dim = attributes.Integer("value_dim");
  if (heads % kv_heads != 0) {
    return Invalid("heads {} is no multiple of kv_heads {}", heads, kv_heads);
  }
  ASHLAR_TRY(internal::RequireNotNegative(attributes, "scale"));
  ASHLAR_TRY(internal::RequireNotNegative(attributes, "soft_cap"));
  ASHLAR_TRY(
      internal::CheckRope(kAttributes, attributes, attributes.Integer("key_dim"), "key_dim"));
  if (attributes.Integer("rope_dims") == 0) {
    ASHLAR_TRY(internal::RequireDefaults(kAttributes, attributes, {"qk_norm_after_rope"},
                                         "rope_dims is 0"));
  }
  const internal::NormSettings norm = internal::SettingsOf(attributes, "norm");
  const internal::NormSettings post_norm = internal::SettingsOf(attributes, "post_norm");
  const internal::NormSettings qk_norm = internal::SettingsOfQkNorm(attributes);
  ASHLAR_TRY(CheckAllNorms(attributes, norm.type, post_norm.type, qk_norm.type));
  ASHLAR_TRY(CheckAlibi(attributes));

  std::vector<TensorSpec> tensors;
  const auto append = [&](const char* name, std::int64_t outputs, std::int64_t inputs,
                          const char* bias) {
    tensors.push_back({name, TensorRole::kMatrix, {outputs, inputs}});
    if (IsSet(attributes, bias)) {
      tensors.push_back({internal::TensorName(name, "bias"), TensorRole::kVector, {outputs}});
    }
  };
  AppendNormTensors(norm, "norm", width, tensors);
  append("q", heads * key_dim, width, "qkv_bias");
  append("k", kv_heads * key_dim, width, "qkv_bias");
  append("v", kv_heads * value_dim, width, "qkv_bias");
  if (IsSet(attributes, "o_gate")) {
    append("gate", heads * value_dim, width, "qkv_bias");
  }
  append("o", width, heads * value_dim, "o_bias");
  AppendNormTensors(qk_norm, "q_norm", internal::WidthOfQkNorm(attributes, heads), tensors);
  AppendNormTensors(qk_norm, "k_norm", internal::WidthOfQkNorm(attributes, kv_heads), tensors);
  if (IsSet(attributes, "sinks")) {
    tensors.push_back({"sinks", TensorRole::kVector, {heads}});
  }
  internal::AppendRopeTensors(attributes, tensors);
  AppendNormTensors(post_norm, "post_norm", width, tensors);
  return tensors;
}

Interface InterfaceOf(const Attributes& attributes) {
  const std::int64_t kv_heads = attributes.Integer("kv_heads");
  const std::int64_t key_dim = attributes.Integer("key_dim");
  const std::int64_t value_dim = attributes.Integer("value_dim");
  return {.width_in = attributes.Integer("width"),
          .width_out = attributes.Integer("width"),
          .state_floats = kv_heads * (key_dim + value_dim),
          .state_vectors = 2 * kv_heads,
          .state_shape = fmt::format("kv:{}x{}+{}", kv_heads, key_dim, value_dim)};
}

Cost CostOf(const Attributes& attributes) {
  const auto number = [&](const char* name) {
    return static_cast<double>(attributes.Integer(name));
  };
  const double head_floats = number("key_dim") + number("value_dim");
  const double gate = number("o_gate") * number("heads") * number("value_dim");
  return {
      .flops = 2 * number("width") * ((number("heads") + number("kv_heads")) * head_floats + gate),
      .flops_per_position = 2 * number("heads") * head_floats};
}

Attributes ApplySlice(const Attributes& attributes, const Slice& slice) {
  const auto kv_heads = slice.find("kv_heads");
  if (kv_heads == slice.end()) {
    return attributes;
  }
  const std::int64_t group = attributes.Integer("heads") / attributes.Integer("kv_heads");
  return attributes.With("kv_heads", kv_heads->second).With("heads", group * kv_heads->second);
}

}  // namespace

constinit const BlockKind kAttention{
    .name = "attention",
    .summary = "y = multiplier * post_norm(o(attend(q(n), k(n), v(n)))), n = norm(x)",
    .attributes = kAttributes,
    .slices = kSlices,
    .tensors = Tensors,
    .interface = InterfaceOf,
    .cost = CostOf,
    .apply_slice = ApplySlice,
};

}  // namespace ashlar
