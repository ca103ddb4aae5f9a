#include "ashlar/kinds/internal/feed_forward.h"
#include "ashlar/kinds/ssm/ssm.h"
#include "ashlar/kinds/ssm/ssm_settings.h"

namespace ashlar {
namespace {

using internal::Flag;
using internal::IsSet;
using internal::OptionalReal;
using internal::RequiredInteger;
using internal::SsmSizes;

constexpr std::string_view kGateNorms[] = {"none", "rms"};

constexpr AttributeSpec kAttributes[] = {
    RequiredInteger("width", internal::kMaxWidth, "floats of input and output"),
    RequiredInteger("heads", internal::kMaxWidth, "heads, each with a step of its own"),
    RequiredInteger("head_dim", internal::kMaxHeadDim, "channels of a head (Mamba: 1)"),
    RequiredInteger("groups", internal::kMaxWidth,
                    "heads fall into so many, each with its own b and c; a divisor of heads"),
    RequiredInteger("state_dim", internal::kMaxHeadDim, "floats of state of a channel"),
    internal::kConvTapsAttribute,
    internal::OptionalInteger(
        "step_rank", internal::kMaxWidth,
        "steps come from so many floats and, as b and c, from the convolved x (Mamba); 0: all "
        "three come from the input, and b and c are convolved too (Mamba-2)"),
    Flag("decay_per_state", "1: each float of a head's state decays at its own rate (Mamba)"),
    OptionalReal("step_min", 0, "steps are at least this"),
    OptionalReal("step_max", 0, "steps are at most this; 0: no limit"),
    internal::kActivationAttribute,
    Flag("bias", "1: what is made from the input, and o, have biases"),
    internal::kConvBiasAttribute,
    internal::OptionalChoice("gate_norm", kGateNorms, "norm of the gated rows (Mamba-2: rms)"),
    Flag("gate_norm_by_group", "1: it norms the channels of each of several groups by themselves"),
    OptionalReal("multiplier", 1, "of the output"),
    internal::kNormAttribute,
    internal::kPostNormAttribute,
    internal::kNormEpsAttribute,
    internal::kNormOffsetAttribute,
    internal::kNormBiasAttribute,
};

constexpr SliceAxis kSlices[] = {
    {"heads", "the first heads, in whole groups when there are several"},
};

Status CheckSsm(const Attributes& attributes, const SsmSizes& sizes) {
  if (sizes.heads % sizes.groups != 0) {
    return Invalid("heads {} is no multiple of groups {}", sizes.heads, sizes.groups);
  }
  if (std::max(sizes.channels(), sizes.vectors()) > internal::kMaxChannels) {
    return Invalid("heads {} of {} channels, and groups {} of {} floats of state: at most {} each",
                   sizes.heads, sizes.head_dim, sizes.groups, sizes.state_dim,
                   internal::kMaxChannels);
  }
  if (sizes.groups == 1 || attributes.Choice("gate_norm") == "none") {
    ASHLAR_TRY(internal::RequireDefaults(kAttributes, attributes, {"gate_norm_by_group"},
                                         "groups is 1 or gate_norm is none"));
  }
  ASHLAR_TRY(internal::RequireNotNegative(attributes, "step_min"));
  ASHLAR_TRY(internal::RequireNotNegative(attributes, "step_max"));
  const double step_max = attributes.Real("step_max");
  if (step_max != 0 && step_max < attributes.Real("step_min")) {
    return Invalid("attribute \"step_max\" must be at least step_min {}, found {}",
                   attributes.Real("step_min"), step_max);
  }
  return internal::CheckNorms(
      kAttributes, attributes,
      {internal::SettingsOf(attributes, "norm").type,
       internal::SettingsOf(attributes, "post_norm").type, internal::GateNormOf(attributes).type});
}

Result<std::vector<TensorSpec>> Tensors(const Attributes& attributes) {
  const SsmSizes sizes(attributes);
  ASHLAR_TRY(CheckSsm(attributes, sizes));
  std::vector<TensorSpec> tensors;
  const auto append = [&](const char* name, std::int64_t outputs, std::int64_t inputs, bool bias,
                          TensorRole role = TensorRole::kMatrix) {
    tensors.push_back({name, role, {outputs, inputs}});
    if (bias) {
      tensors.push_back({internal::TensorName(name, "bias"), TensorRole::kVector, {outputs}});
    }
  };
  const bool bias = IsSet(attributes, "bias");
  const bool convolved = sizes.selects_convolved();
  const std::int64_t selected_by = convolved ? sizes.channels() : sizes.width;
  AppendNormTensors(internal::SettingsOf(attributes, "norm"), "norm", sizes.width, tensors);
  append("gate", sizes.channels(), sizes.width, bias);
  append("x", sizes.channels(), sizes.width, bias);
  append("b", sizes.vectors(), selected_by, bias && !convolved);
  append("c", sizes.vectors(), selected_by, bias && !convolved);
  if (convolved) {
    append("step_down", sizes.step_rank, selected_by, false);
  }
  append("step", sizes.heads, convolved ? sizes.step_rank : sizes.width, bias && !convolved,
         TensorRole::kRouter);
  tensors.push_back({"step_offset", TensorRole::kVector, {sizes.heads}});
  internal::AppendConvTensors(attributes, "conv.x", sizes.channels(), tensors);
  if (!convolved) {
    internal::AppendConvTensors(attributes, "conv.b", sizes.vectors(), tensors);
    internal::AppendConvTensors(attributes, "conv.c", sizes.vectors(), tensors);
  }
  const bool per_state = IsSet(attributes, "decay_per_state");
  tensors.push_back({"decay_log",
                     TensorRole::kVector,
                     {per_state ? sizes.heads * sizes.state_dim : sizes.heads}});
  tensors.push_back({"skip", TensorRole::kVector, {sizes.heads}});
  AppendNormTensors(internal::GateNormOf(attributes), "gate_norm", sizes.channels(), tensors);
  append("o", sizes.width, sizes.channels(), bias);
  AppendNormTensors(internal::SettingsOf(attributes, "post_norm"), "post_norm", sizes.width,
                    tensors);
  return tensors;
}

Interface InterfaceOf(const Attributes& attributes) {
  const SsmSizes sizes(attributes);
  const std::int64_t convolved =
      sizes.channels() + (sizes.selects_convolved() ? 0 : 2 * sizes.vectors());
  return {.width_in = sizes.width,
          .width_out = sizes.width,
          .carried_floats =
              sizes.scan_floats() + internal::CausalConv::StateFloats(attributes, convolved),
          .state_shape = fmt::format("ssm:{}x{}+{}x{}", sizes.channels(), sizes.state_dim,
                                     convolved, attributes.Integer("conv_taps") - 1)};
}

Cost CostOf(const Attributes& attributes) {
  const SsmSizes sizes(attributes);
  const auto number = [](std::int64_t count) { return static_cast<double>(count); };
  const double width = number(sizes.width);
  const double channels = number(sizes.channels());
  const double vectors = 2 * number(sizes.vectors());
  const double heads = number(sizes.heads);
  const double rank = number(sizes.step_rank);
  const double select = sizes.selects_convolved() ? channels * (vectors + rank) + rank * heads
                                                  : width * (vectors + heads);
  const double convolved = channels + (sizes.selects_convolved() ? 0 : vectors);
  return {.flops = 2 * (3 * width * channels + select +
                        convolved * number(attributes.Integer("conv_taps")) +
                        3 * number(sizes.scan_floats()))};
}

// A slice within a group would give its heads other groups than they have; it is left with a number
// of groups that its heads cannot fall into, and refused.
Attributes ApplySlice(const Attributes& attributes, const Slice& slice) {
  const auto heads = slice.find("heads");
  if (heads == slice.end()) {
    return attributes;
  }
  const SsmSizes sizes(attributes);
  const std::int64_t group = sizes.heads / sizes.groups;
  const bool whole = heads->second % group == 0;
  const std::int64_t groups = sizes.groups == 1 ? 1 : whole ? heads->second / group : sizes.heads;
  const Attributes sliced = attributes.With("heads", heads->second).With("groups", groups);
  return groups == 1 ? sliced.With("gate_norm_by_group", 0) : sliced;
}

}  // namespace

constinit const BlockKind kSsm{
    .name = "ssm",
    .summary =
        "y = multiplier * post_norm(o(gate_norm(scan(conv(x(n))) * f(gate(n))))), "
        "n = norm(x)",
    .attributes = kAttributes,
    .slices = kSlices,
    .tensors = Tensors,
    .interface = InterfaceOf,
    .cost = CostOf,
    .apply_slice = ApplySlice,
};

}  // namespace ashlar
