#include "ashlar/kinds/attention/attention_settings.h"

#include <cmath>

namespace ashlar::internal {

NormSettings SettingsOfQkNorm(const Attributes& attributes) {
  const std::string_view choice = attributes.Choice("qk_norm");
  return {.type = choice == "none"            ? NormType::kNone
                  : choice.starts_with("rms") ? NormType::kRms
                                              : NormType::kLayer,
          .eps = attributes.Real("norm_eps"),
          .offset = attributes.Real("norm_offset"),
          .bias = IsSet(attributes, "qk_norm_bias")};
}

std::int64_t WidthOfQkNorm(const Attributes& attributes, std::int64_t heads) {
  const bool per_head = attributes.Choice("qk_norm").ends_with("_per_head");
  return (per_head ? 1 : heads) * attributes.Integer("key_dim");
}

std::vector<float> AlibiSlopes(const Attributes& attributes) {
  const std::int64_t all = attributes.Integer("alibi_heads");
  if (all == 0) {
    return {};
  }
  const double factor = IsSet(attributes, "alibi_in_scale") ? ScaleOf(attributes) : 1;
  std::int64_t power = 1;  // the largest power of two up to `all`
  while (2 * power <= all) {
    power *= 2;
  }
  std::vector<float> slopes;
  for (std::int64_t head = 0; head < attributes.Integer("heads"); ++head) {
    // Heads past the power of two take every other slope of twice as many.
    const double exponent =
        head < power ? static_cast<double>(head + 1) / static_cast<double>(power)
                     : static_cast<double>(2 * (head - power) + 1) / static_cast<double>(2 * power);
    slopes.push_back(static_cast<float>(factor * std::exp2(-8 * exponent)));
  }
  return slopes;
}

double ScaleOf(const Attributes& attributes) {
  const double scale = attributes.Real("scale");
  return scale == 0 ? 1 / std::sqrt(attributes.Integer("key_dim")) : scale;
}

}  // namespace ashlar::internal
