#include "ashlar/kinds/attention/attention.h"
#include "ashlar/kinds/attention/attention_settings.h"

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
    OptionalInteger("rope_dims", internal::kMaxHeadDim, "first dims that are rotated; 0: none"),
    OptionalChoice("rope_pairs", internal::kRopePairs,
                   "dims that turn together: i and i + rope_dims / 2, or 2i and 2i + 1"),
    OptionalReal("rope_theta", 10000, "base of the rotation's wavelengths"),
    OptionalChoice("rope_scaling", internal::kRopeScalings, "how wavelengths are stretched"),
    OptionalReal("rope_factor", 1, "how far wavelengths are stretched; scalings only"),
    OptionalInteger("rope_original_positions", internal::kMaxPositions,
                    "context before the stretch; all scalings but linear"),
    OptionalReal("rope_low_frequency_factor", 1, "llama3: fewer turns are stretched in full"),
    OptionalReal("rope_high_frequency_factor", 4, "llama3: more turns are not stretched"),
    OptionalReal("rope_beta_fast", 32, "yarn: more turns are not stretched"),
    OptionalReal("rope_beta_slow", 1, "yarn: fewer turns are stretched in full"),
    Flag("rope_fractional_ramp", "yarn: 1: the mix begins and ends between pairs (gpt-oss)"),
    OptionalReal("rope_attention_factor", 0,
                 "of cosines and sines; 0: as the scaling defines it (yarn: 0.1 ln factor + 1); "
                 "longrope has it above 0"),
};

constexpr SliceAxis kSlices[] = {
    {"kv_heads", "the first key-value heads, with their groups of query heads"},
};

// Which further attributes a scaling reads; the others keep their defaults.
Status CheckRopeScaling(const Attributes& attributes) {
  const std::string& scaling = attributes.Choice("rope_scaling");
  const std::string reason = fmt::format("rope_scaling is {}", scaling);
  const auto without = [&](std::initializer_list<std::string_view> names) {
    return internal::RequireDefaults(kAttributes, attributes, names, reason);
  };
  if (scaling == "none" || scaling == "longrope") {
    ASHLAR_TRY(without({"rope_factor"}));
  } else if (attributes.Real("rope_factor") < 1) {
    return Invalid("attribute \"rope_factor\" must be at least 1, found {}",
                   attributes.Real("rope_factor"));
  }
  if (scaling == "none" || scaling == "linear") {
    ASHLAR_TRY(without({"rope_original_positions"}));
  } else if (attributes.Integer("rope_original_positions") == 0) {
    return Invalid("attribute \"rope_original_positions\" is missing, and needed when {}", reason);
  }
  if (scaling == "dynamic" && attributes.Integer("rope_dims") == 2) {
    return Invalid("attribute \"rope_dims\" must be above 2 when {}", reason);
  }
  if (scaling == "llama3") {
    ASHLAR_TRY(internal::RequirePositive(attributes, "rope_low_frequency_factor"));
    const double low = attributes.Real("rope_low_frequency_factor");
    const double high = attributes.Real("rope_high_frequency_factor");
    if (high <= low) {
      return Invalid("rope_high_frequency_factor {} is not above rope_low_frequency_factor {}",
                     high, low);
    }
  } else {
    ASHLAR_TRY(without({"rope_low_frequency_factor", "rope_high_frequency_factor"}));
  }
  if (scaling == "yarn") {
    ASHLAR_TRY(internal::RequirePositive(attributes, "rope_beta_slow"));
    const double slow = attributes.Real("rope_beta_slow");
    const double fast = attributes.Real("rope_beta_fast");
    if (fast < slow) {
      return Invalid("rope_beta_fast {} is below rope_beta_slow {}", fast, slow);
    }
  } else {
    ASHLAR_TRY(without({"rope_beta_fast", "rope_beta_slow", "rope_fractional_ramp"}));
  }
  if (scaling == "longrope") {
    return internal::RequirePositive(attributes, "rope_attention_factor");
  }
  return internal::RequireNotNegative(attributes, "rope_attention_factor");
}

Status CheckRope(const Attributes& attributes) {
  const std::int64_t dims = attributes.Integer("rope_dims");
  if (dims == 0) {
    return internal::RequireDefaults(
        kAttributes, attributes,
        {"rope_pairs", "rope_theta", "rope_scaling", "rope_factor", "rope_original_positions",
         "rope_low_frequency_factor", "rope_high_frequency_factor", "rope_beta_fast",
         "rope_beta_slow", "rope_fractional_ramp", "rope_attention_factor", "qk_norm_after_rope"},
        "rope_dims is 0");
  }
  const std::int64_t key_dim = attributes.Integer("key_dim");
  if (dims % 2 != 0 || dims > key_dim) {
    return Invalid("attribute \"rope_dims\" must be even and at most key_dim {}, found {}", key_dim,
                   dims);
  }
  if (const double theta = attributes.Real("rope_theta"); !(theta > 1)) {
    return Invalid("attribute \"rope_theta\" must be above 1, found {}", theta);
  }
  if (dims == 2) {
    ASHLAR_TRY(
        internal::RequireDefaults(kAttributes, attributes, {"rope_pairs"}, "rope_dims is 2"));
  }
  return CheckRopeScaling(attributes);
}

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
  ASHLAR_TRY(CheckRope(attributes));
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
  append("o", width, heads * value_dim, "o_bias");
  AppendNormTensors(qk_norm, "q_norm", internal::WidthOfQkNorm(attributes, heads), tensors);
  AppendNormTensors(qk_norm, "k_norm", internal::WidthOfQkNorm(attributes, kv_heads), tensors);
  if (IsSet(attributes, "sinks")) {
    tensors.push_back({"sinks", TensorRole::kVector, {heads}});
  }
  if (attributes.Choice("rope_scaling") == "longrope") {
    const std::int64_t pairs = attributes.Integer("rope_dims") / 2;
    tensors.push_back({"rope_short_factors", TensorRole::kVector, {pairs}});
    tensors.push_back({"rope_long_factors", TensorRole::kVector, {pairs}});
  }
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
          .state_shape = fmt::format("kv:{}x{}+{}", kv_heads, key_dim, value_dim)};
}

Cost CostOf(const Attributes& attributes) {
  const auto number = [&](const char* name) {
    return static_cast<double>(attributes.Integer(name));
  };
  const double head_floats = number("key_dim") + number("value_dim");
  return {.flops = 2 * number("width") * (number("heads") + number("kv_heads")) * head_floats,
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
