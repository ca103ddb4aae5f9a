#include "ashlar/formats/internal/rope_draft.h"

#include <cmath>
#include <cstdlib>

#include "ashlar/formats/internal/number_that.h"

namespace ashlar::internal {
namespace {

// The parameters of each scaling, by their attributes.
struct ScalingField {
  std::string_view scaling;
  std::string_view field;
  std::string_view attribute;
};
constexpr ScalingField kScalingFields[] = {
    {"linear", "factor", "rope_factor"},
    {"dynamic", "factor", "rope_factor"},
    {"llama3", "factor", "rope_factor"},
    {"llama3", "original_max_position_embeddings", "rope_original_positions"},
    {"llama3", "low_freq_factor", "rope_low_frequency_factor"},
    {"llama3", "high_freq_factor", "rope_high_frequency_factor"},
    {"yarn", "factor", "rope_factor"},
    {"yarn", "original_max_position_embeddings", "rope_original_positions"},
    {"yarn", "beta_fast", "rope_beta_fast"},
    {"yarn", "beta_slow", "rope_beta_slow"},
    {"yarn", "attention_factor", "rope_attention_factor"},
    {"longrope", "original_max_position_embeddings", "rope_original_positions"},
    {"longrope", "attention_factor", "rope_attention_factor"},
};
struct FactorsField {
  std::string_view field;
  std::string_view tensor;
};
constexpr FactorsField kFactorsFields[] = {{"short_factor", "rope_short_factors"},
                                           {"long_factor", "rope_long_factors"}};

// None where the kind has heads of another sort.
std::optional<std::int64_t> HeadDim(const Attributes& attention) {
  const auto found = attention.values().find("key_dim");
  return found == attention.values().end() ? std::nullopt
                                           : std::optional(std::get<std::int64_t>(found->second));
}

// `mscale_all_dim`, whose square with the factor's logarithm scales the scores.
void AddScoresScale(const Attributes& attributes, Json& json) {
  const double scale = attributes.Real("scale");
  const double root = std::sqrt(static_cast<double>(attributes.Integer("plain_dim")) +
                                static_cast<double>(attributes.Integer("rope_dims")));
  const double stretch = std::log(attributes.Real("rope_factor"));
  const double guess = (std::sqrt(scale * root) - 1) / (0.1 * stretch);
  if (scale == 0 || !std::isfinite(guess)) {
    return;
  }
  json.Set("mscale_all_dim", NumberThat(guess, [&](double number) {
             return std::pow(0.1 * number * stretch + 1, 2) / root == scale;
           }));
}

}  // namespace

double PartOf(std::int64_t head_dim, std::int64_t dims) {
  const double guess = static_cast<double>(dims) / static_cast<double>(head_dim);
  return NumberThat(guess, [&](double number) {
    return static_cast<std::int64_t>(static_cast<double>(head_dim) * number) == dims;
  });
}

double PartialRotation(const DecoderNode& attention) {
  const std::int64_t dims = attention.attributes.Integer("rope_dims");
  const std::int64_t of = HeadDim(attention.attributes).value_or(dims);
  return PartOf(of, dims);
}

Json RopeParameters(const Architecture& architecture, const DecoderNode& attention) {
  const Attributes& attributes = attention.attributes;
  const std::string& scaling = attributes.Choice("rope_scaling");
  Json json = Json::Of({{"rope_theta", attributes.Real("rope_theta")},
                        {"rope_type", scaling == "none" ? "default" : scaling}});
  for (const ScalingField& row : kScalingFields) {
    if (row.scaling != scaling) {
      continue;
    }
    const AttributeValue& value = attributes.values().find(row.attribute)->second;
    if (const auto* integer = std::get_if<std::int64_t>(&value)) {
      json.Set(row.field, *integer);
    } else if (const double real = std::get<double>(value); real != 0) {  // 0: as it is derived
      json.Set(row.field, real);
    }
  }
  if (attributes.Integer("rope_fractional_ramp") != 0) {
    json.Set("truncate", false);
  }
  for (const FactorsField& row : kFactorsFields) {
    const auto numbers = attention.numbers.find(row.tensor);
    if (numbers == attention.numbers.end()) {
      continue;
    }
    Json list = Json::Array();
    for (const float factor : numbers->second) {
      list.Append(std::strtod(fmt::format("{}", factor).c_str(), nullptr));
    }
    json.Set(row.field, std::move(list));
  }
  if (architecture.rope.scores_scaled && scaling == "yarn") {
    AddScoresScale(attributes, json);
  }
  return json;
}

}  // namespace ashlar::internal
