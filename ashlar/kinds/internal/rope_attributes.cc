#include "ashlar/kinds/internal/rope_attributes.h"

#include <algorithm>

#include "ashlar/base/check.h"
#include "ashlar/kernels/form.h"

namespace ashlar::internal {
namespace {

// Requires: rope_dims is not 0.
RopeParameters RopeParametersOf(const Attributes& attributes, const BoundTensors& tensors) {
  const auto scaling = std::ranges::find(kRopeScalings, attributes.Choice("rope_scaling"));
  CHECK(scaling != std::end(kRopeScalings));
  RopeParameters parameters = {
      .dims = attributes.Integer("rope_dims"),
      .theta = attributes.Real("rope_theta"),
      .scaling = static_cast<RopeScaling>(scaling - std::begin(kRopeScalings)),
      .factor = attributes.Real("rope_factor"),
      .original_positions = attributes.Integer("rope_original_positions"),
      .low_frequency_factor = attributes.Real("rope_low_frequency_factor"),
      .high_frequency_factor = attributes.Real("rope_high_frequency_factor"),
      .beta_fast = attributes.Real("rope_beta_fast"),
      .beta_slow = attributes.Real("rope_beta_slow"),
      .attention_factor = attributes.Real("rope_attention_factor"),
      .fractional_ramp = IsSet(attributes, "rope_fractional_ramp")};
  if (parameters.scaling == RopeScaling::kLongrope) {
    parameters.short_factors = CopyVector(TensorNamed(tensors, "rope_short_factors"));
    parameters.long_factors = CopyVector(TensorNamed(tensors, "rope_long_factors"));
  }
  return parameters;
}

// Which further attributes a scaling reads; the others keep their defaults.
Status CheckRopeScaling(std::span<const AttributeSpec> specs, const Attributes& attributes) {
  const std::string& scaling = attributes.Choice("rope_scaling");
  const std::string reason = fmt::format("rope_scaling is {}", scaling);
  const auto without = [&](std::initializer_list<std::string_view> names) {
    return RequireDefaults(specs, attributes, names, reason);
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
    ASHLAR_TRY(RequirePositive(attributes, "rope_low_frequency_factor"));
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
    ASHLAR_TRY(RequirePositive(attributes, "rope_beta_slow"));
    const double slow = attributes.Real("rope_beta_slow");
    const double fast = attributes.Real("rope_beta_fast");
    if (fast < slow) {
      return Invalid("rope_beta_fast {} is below rope_beta_slow {}", fast, slow);
    }
  } else {
    ASHLAR_TRY(without({"rope_beta_fast", "rope_beta_slow", "rope_fractional_ramp"}));
  }
  if (scaling == "longrope") {
    return RequirePositive(attributes, "rope_attention_factor");
  }
  return RequireNotNegative(attributes, "rope_attention_factor");
}

}  // namespace

Status CheckRope(std::span<const AttributeSpec> specs, const Attributes& attributes,
                 std::int64_t max_dims, std::string_view whose) {
  const std::int64_t dims = attributes.Integer("rope_dims");
  if (dims == 0) {
    return RequireDefaults(
        specs, attributes,
        {"rope_pairs", "rope_theta", "rope_scaling", "rope_factor", "rope_original_positions",
         "rope_low_frequency_factor", "rope_high_frequency_factor", "rope_beta_fast",
         "rope_beta_slow", "rope_fractional_ramp", "rope_attention_factor"},
        "rope_dims is 0");
  }
  if (dims % 2 != 0 || dims > max_dims) {
    return Invalid("attribute \"rope_dims\" must be even and at most {} {}, found {}", whose,
                   max_dims, dims);
  }
  if (const double theta = attributes.Real("rope_theta"); !(theta > 1)) {
    return Invalid("attribute \"rope_theta\" must be above 1, found {}", theta);
  }
  if (dims == 2) {
    ASHLAR_TRY(RequireDefaults(specs, attributes, {"rope_pairs"}, "rope_dims is 2"));
  }
  return CheckRopeScaling(specs, attributes);
}

void AppendRopeTensors(const Attributes& attributes, std::vector<TensorSpec>& tensors) {
  if (attributes.Choice("rope_scaling") == "longrope") {
    const std::int64_t pairs = attributes.Integer("rope_dims") / 2;
    tensors.push_back({"rope_short_factors", TensorRole::kVector, {pairs}});
    tensors.push_back({"rope_long_factors", TensorRole::kVector, {pairs}});
  }
}

Rope::Rope(const Attributes& attributes, const BoundTensors& tensors, const BindContext& context) {
  if (attributes.Integer("rope_dims") > 0) {
    table_ = context.rope_tables.Get(RopeParametersOf(attributes, tensors), context.max_positions);
    const RopeForm& form = FindForm(RopeForms(), context.isa);
    turn_ = attributes.Choice("rope_pairs") == "neighbours" ? form.neighbours : form.fn;
  }
}

void Rope::Reach(std::int64_t end) const {
  if (table_ != nullptr) {
    table_->Reach(end);
  }
}

void Rope::Turn(float* x, std::int64_t heads, std::int64_t stride, std::int64_t position) const {
  if (table_ != nullptr) {
    turn_(x, heads, stride, 2 * table_->pairs(), table_->cosine(position), table_->sine(position));
  }
}

}  // namespace ashlar::internal
