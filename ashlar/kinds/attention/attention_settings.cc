#include "ashlar/kinds/attention/attention_settings.h"

#include <algorithm>

#include "ashlar/base/check.h"

namespace ashlar::internal {

NormSettings SettingsOfQkNorm(const Attributes& attributes) {
  const bool rms = attributes.Choice("qk_norm") == "rms_per_head";
  return {.type = rms ? NormType::kRms : NormType::kNone,
          .eps = attributes.Real("norm_eps"),
          .offset = attributes.Real("norm_offset")};
}

RopeParameters RopeParametersOf(const Attributes& attributes) {
  const auto scaling = std::ranges::find(kRopeScalings, attributes.Choice("rope_scaling"));
  CHECK(scaling != std::end(kRopeScalings));
  return {.dims = attributes.Integer("rope_dims"),
          .theta = attributes.Real("rope_theta"),
          .scaling = static_cast<RopeScaling>(scaling - std::begin(kRopeScalings)),
          .factor = attributes.Real("rope_factor"),
          .original_positions = attributes.Integer("rope_original_positions"),
          .low_frequency_factor = attributes.Real("rope_low_frequency_factor"),
          .high_frequency_factor = attributes.Real("rope_high_frequency_factor"),
          .beta_fast = attributes.Real("rope_beta_fast"),
          .beta_slow = attributes.Real("rope_beta_slow"),
          .attention_factor = attributes.Real("rope_attention_factor")};
}

}  // namespace ashlar::internal
