#include "ashlar/kinds/internal/feed_forward.h"
#include "ashlar/kinds/internal/norm_attributes.h"
#include "ashlar/kinds/moe/moe.h"
#include "ashlar/kinds/moe/router.h"

namespace ashlar {
namespace {

using internal::Flag;
using internal::IsSet;
using internal::OptionalChoice;
using internal::OptionalInteger;
using internal::OptionalReal;
using internal::RequiredInteger;

// Six tensors of each stay below what a manifest may list.
constexpr std::int64_t kMaxExperts = 512;

constexpr std::string_view kScorings[] = {"softmax", "sigmoid"};
constexpr std::string_view kGroupRanks[] = {"two_best", "best"};

constexpr AttributeSpec kAttributes[] = {
    RequiredInteger("width", internal::kMaxWidth, "floats of input and output"),
    RequiredInteger("experts", kMaxExperts, "experts to choose from"),
    RequiredInteger("experts_per_token", kMaxExperts, "experts that a row is sent to"),
    RequiredInteger("channels", internal::kMaxChannels, "floats between an expert's matrices"),
    OptionalInteger("shared_channels", internal::kMaxChannels,
                    "of the expert that every row is sent to; 0: there is none"),
    Flag("shared_gate", "1: the shared expert's output is scaled by sigmoid(shared_gate n)"),
    OptionalChoice("scoring", kScorings, "of the experts, from router n: softmax or sigmoid"),
    Flag("normalized", "1: the scores of the chosen experts are scaled to the sum 1"),
    OptionalReal("scaling", 1, "of the chosen experts' scores, which weigh their outputs"),
    OptionalInteger("groups", kMaxExperts,
                    "the experts, in order, fall into so many; only the best are chosen from; 0: "
                    "no groups"),
    OptionalInteger("groups_per_token", kMaxExperts, "groups that are chosen from"),
    OptionalChoice("group_rank", kGroupRanks,
                   "a group is as good as the sum of its two best experts (DeepSeek-V3), or as its "
                   "best one (DeepSeek-V2)"),
    Flag("selection_bias", "1: a bias joins the scores when they are compared, and only then"),
    Flag("router_bias", "1: the router has a bias"),
    internal::kFormAttribute,
    internal::kActivationAttribute,
    OptionalReal("gate_gain", 1, "f(gain gate) / gain instead of f(gate) (gpt-oss: 1.702)"),
    OptionalReal("clamp", 0, "gate at most this, and up within +- this, before f; 0: none"),
    OptionalReal("up_offset", 0, "added to up (gpt-oss: 1)"),
    Flag("bias", "1: gate, up and down of all experts have biases"),
    OptionalReal("multiplier", 1, "of the output"),
    internal::kNormAttribute,
    internal::kPostNormAttribute,
    internal::kNormEpsAttribute,
    internal::kNormOffsetAttribute,
    internal::kNormBiasAttribute,
};

constexpr SliceAxis kSlices[] = {
    {"experts", "the first experts, and their rows of the router"},
    {"channels", "the first channels of each expert: rows of gate and up, columns of down"},
    {"shared_channels", "the first channels of the shared expert"},
};

Status CheckChoice(const Attributes& attributes) {
  const std::int64_t experts = attributes.Integer("experts");
  const std::int64_t chosen = attributes.Integer("experts_per_token");
  if (chosen > experts) {
    return Invalid("experts_per_token {} is more than the {} experts", chosen, experts);
  }
  const std::int64_t groups = attributes.Integer("groups");
  if (groups == 0) {
    return internal::RequireDefaults(kAttributes, attributes, {"groups_per_token", "group_rank"},
                                     "groups is 0");
  }
  if (groups == 1 || experts % groups != 0 || experts / groups < 2) {
    return Invalid(
        "attribute \"groups\" must be at least 2, and part the {} experts evenly into "
        "groups of at least 2; found {}",
        experts, groups);
  }
  const std::int64_t groups_chosen = attributes.Integer("groups_per_token");
  if (groups_chosen < 1 || groups_chosen >= groups || groups_chosen * (experts / groups) < chosen) {
    return Invalid(
        "attribute \"groups_per_token\" must be below groups {}, and leave at least "
        "experts_per_token {} experts to choose from; found {}",
        groups, chosen, groups_chosen);
  }
  return {};
}

Status CheckExperts(const Attributes& attributes) {
  if (attributes.Integer("shared_channels") == 0) {
    ASHLAR_TRY(internal::RequireDefaults(kAttributes, attributes, {"shared_gate"},
                                         "there is no shared expert"));
  }
  if (!internal::IsGated(attributes)) {
    return internal::RequireDefaults(kAttributes, attributes, {"gate_gain", "clamp", "up_offset"},
                                     "form is plain");
  }
  ASHLAR_TRY(internal::RequirePositive(attributes, "gate_gain"));
  return internal::RequireNotNegative(attributes, "clamp");
}

Result<std::vector<TensorSpec>> Tensors(const Attributes& attributes) {
  const internal::NormSettings norm = internal::SettingsOf(attributes, "norm");
  const internal::NormSettings post_norm = internal::SettingsOf(attributes, "post_norm");
  ASHLAR_TRY(internal::CheckNorms(kAttributes, attributes, {norm.type, post_norm.type}));
  ASHLAR_TRY(CheckChoice(attributes));
  ASHLAR_TRY(CheckExperts(attributes));
  ASHLAR_TRY(internal::RequirePositive(attributes, "scaling"));
  const std::int64_t width = attributes.Integer("width");
  const std::int64_t experts = attributes.Integer("experts");
  const std::int64_t shared_channels = attributes.Integer("shared_channels");
  std::vector<TensorSpec> tensors;
  AppendNormTensors(norm, "norm", width, tensors);
  tensors.push_back({"router", TensorRole::kRouter, {experts, width}});
  if (IsSet(attributes, "router_bias")) {
    tensors.push_back({"router.bias", TensorRole::kVector, {experts}});
  }
  if (IsSet(attributes, "selection_bias")) {
    tensors.push_back({"router.selection_bias", TensorRole::kVector, {experts}});
  }
  for (std::int64_t expert = 0; expert < experts; ++expert) {
    internal::AppendFeedForwardTensors(attributes, internal::ExpertName(expert), width,
                                       attributes.Integer("channels"), tensors);
  }
  if (shared_channels > 0) {
    internal::AppendFeedForwardTensors(attributes, "shared", width, shared_channels, tensors);
  }
  if (IsSet(attributes, "shared_gate")) {
    tensors.push_back({"shared_gate", TensorRole::kRouter, {1, width}});
  }
  AppendNormTensors(post_norm, "post_norm", width, tensors);
  return tensors;
}

Interface InterfaceOf(const Attributes& attributes) {
  return {.width_in = attributes.Integer("width"), .width_out = attributes.Integer("width")};
}

Cost CostOf(const Attributes& attributes) {
  const auto number = [&](const char* name) {
    return static_cast<double>(attributes.Integer(name));
  };
  const double matrices = internal::IsGated(attributes) ? 3 : 2;
  const double channels =
      number("experts_per_token") * number("channels") + number("shared_channels");
  const double router = number("experts") + number("shared_gate");
  return {.flops = 2 * number("width") * (matrices * channels + router)};
}

Attributes ApplySlice(const Attributes& attributes, const Slice& slice) {
  Attributes part = attributes;
  for (const auto& [axis, value] : slice) {
    part = part.With(axis, value);
  }
  return part;
}

}  // namespace

constinit const BlockKind kMoe{
    .name = "moe",
    .summary = "y = multiplier * post_norm(sum of weight * expert(n) + shared(n)), n = norm(x)",
    .attributes = kAttributes,
    .slices = kSlices,
    .tensors = Tensors,
    .interface = InterfaceOf,
    .cost = CostOf,
    .apply_slice = ApplySlice,
};

}  // namespace ashlar
