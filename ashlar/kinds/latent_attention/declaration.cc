#include "ashlar/kinds/internal/norm_attributes.h"
#include "ashlar/kinds/internal/rope_attributes.h"
#include "ashlar/kinds/latent_attention/head_name.h"
#include "ashlar/kinds/latent_attention/latent_attention.h"

namespace ashlar {
namespace {

using internal::Flag;
using internal::IsSet;
using internal::OptionalInteger;
using internal::OptionalReal;
using internal::RequiredInteger;

// Two tensors of each stay below what a manifest may list.
constexpr std::int64_t kMaxLatentHeads = 1024;

constexpr AttributeSpec kAttributes[] = {
    RequiredInteger("width", internal::kMaxWidth, "floats of input and output"),
    RequiredInteger("heads", kMaxLatentHeads, "query heads"),
    RequiredInteger("latent_dim", internal::kMaxHeadDim,
                    "floats that a position's keys and values are made from"),
    RequiredInteger("plain_dim", internal::kMaxHeadDim,
                    "floats of a query of one head that are compared with the latent"),
    RequiredInteger("value_dim", internal::kMaxHeadDim, "floats of a value of one head"),
    OptionalInteger("query_latent_dim", internal::kMaxWidth,
                    "floats that queries are made from; 0: from the input"),
    internal::RequiredReal("latent_norm_eps", "epsilon of the norms of what is made from"),
    Flag("down_bias", "1: kv_down and q_down have biases"),
    Flag("o_bias", "1: o has a bias"),
    OptionalReal("scale", 0, "of the scores; 0: 1 / sqrt(plain_dim + rope_dims)"),
    OptionalReal("multiplier", 1, "of the output"),
    internal::kNormAttribute,
    internal::kPostNormAttribute,
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
    {"heads", "the first heads: their rows of q, and columns of o"},
};

Result<std::vector<TensorSpec>> Tensors(const Attributes& attributes) {
  const std::int64_t width = attributes.Integer("width");
  const std::int64_t heads = attributes.Integer("heads");
  const std::int64_t latent = attributes.Integer("latent_dim");
  const std::int64_t plain = attributes.Integer("plain_dim");
  const std::int64_t value = attributes.Integer("value_dim");
  const std::int64_t rope = attributes.Integer("rope_dims");
  const std::int64_t query_latent = attributes.Integer("query_latent_dim");
  if (latent + rope > internal::kMaxHeadDim) {
    return Invalid("latent_dim {} and rope_dims {} are together more than {}", latent, rope,
                   internal::kMaxHeadDim);
  }
  ASHLAR_TRY(internal::RequireNotNegative(attributes, "scale"));
  ASHLAR_TRY(internal::RequirePositive(attributes, "latent_norm_eps"));
  ASHLAR_TRY(internal::CheckRope(kAttributes, attributes, internal::kMaxHeadDim, "a head's"));
  const internal::NormSettings norm = internal::SettingsOf(attributes, "norm");
  const internal::NormSettings post_norm = internal::SettingsOf(attributes, "post_norm");
  ASHLAR_TRY(internal::CheckNorms(kAttributes, attributes, {norm.type, post_norm.type}));

  std::vector<TensorSpec> tensors;
  const auto append = [&](const std::string& name, std::int64_t outputs, std::int64_t inputs,
                          bool bias) {
    tensors.push_back({name, TensorRole::kMatrix, {outputs, inputs}});
    if (bias) {
      tensors.push_back({internal::TensorName(name, "bias"), TensorRole::kVector, {outputs}});
    }
  };
  AppendNormTensors(norm, "norm", width, tensors);
  if (query_latent > 0) {
    append("q_down", query_latent, width, IsSet(attributes, "down_bias"));
    tensors.push_back({"q_norm.weight", TensorRole::kVector, {query_latent}});
  }
  append("q", heads * (plain + rope), query_latent > 0 ? query_latent : width, false);
  append("kv_down", latent + rope, width, IsSet(attributes, "down_bias"));
  tensors.push_back({"kv_norm.weight", TensorRole::kVector, {latent}});
  for (std::int64_t head = 0; head < heads; ++head) {
    const std::string name = internal::HeadName(head);
    append(internal::TensorName(name, "q_latent"), latent, plain, false);
    append(internal::TensorName(name, "v"), value, latent, false);
  }
  append("o", width, heads * value, IsSet(attributes, "o_bias"));
  internal::AppendRopeTensors(attributes, tensors);
  AppendNormTensors(post_norm, "post_norm", width, tensors);
  return tensors;
}

std::int64_t StateOf(const Attributes& attributes) {
  return attributes.Integer("latent_dim") + attributes.Integer("rope_dims");
}

Interface InterfaceOf(const Attributes& attributes) {
  return {.width_in = attributes.Integer("width"),
          .width_out = attributes.Integer("width"),
          .state_floats = StateOf(attributes),
          .state_vectors = 1,
          .state_shape = fmt::format("latent:{}+{}", attributes.Integer("latent_dim"),
                                     attributes.Integer("rope_dims"))};
}

Cost CostOf(const Attributes& attributes) {
  const auto number = [&](const char* name) {
    return static_cast<double>(attributes.Integer(name));
  };
  const auto state = static_cast<double>(StateOf(attributes));
  const double query = number("heads") * (number("plain_dim") + number("rope_dims"));
  const double queries = number("query_latent_dim") > 0
                             ? number("query_latent_dim") * (number("width") + query)
                             : number("width") * query;
  const double heads =
      number("heads") * number("latent_dim") * (number("plain_dim") + number("value_dim"));
  const double ends = number("width") * (state + number("heads") * number("value_dim"));
  return {.flops = 2 * (queries + heads + ends),
          .flops_per_position = 2 * number("heads") * (state + number("latent_dim"))};
}

Attributes ApplySlice(const Attributes& attributes, const Slice& slice) {
  const auto heads = slice.find("heads");
  return heads == slice.end() ? attributes : attributes.With("heads", heads->second);
}

}  // namespace

constinit const BlockKind kLatentAttention{
    .name = "latent_attention",
    .summary = "y = multiplier * post_norm(o(v(attend(q(n), kv(n))))), n = norm(x)",
    .attributes = kAttributes,
    .slices = kSlices,
    .tensors = Tensors,
    .interface = InterfaceOf,
    .cost = CostOf,
    .apply_slice = ApplySlice,
};

}  // namespace ashlar
