#include "ashlar/kinds/internal/norm_attributes.h"

#include <algorithm>

namespace ashlar::internal {

NormType ParseNormType(std::string_view choice) {
  const auto at = std::ranges::find(kNormTypes, choice);
  CHECK(at != std::end(kNormTypes));
  return static_cast<NormType>(at - std::begin(kNormTypes));
}

NormSettings SettingsOf(const Attributes& attributes, std::string_view which) {
  const NormType type = ParseNormType(attributes.Choice(which));
  return {.type = type,
          .eps = attributes.Real("norm_eps"),
          .offset = attributes.Real("norm_offset"),
          .bias = type == NormType::kLayer && IsSet(attributes, "norm_bias")};
}

Status CheckNorms(std::span<const AttributeSpec> specs, const Attributes& attributes,
                  std::initializer_list<NormType> norms) {
  const auto has = [&](auto wanted) { return std::ranges::any_of(norms, wanted); };
  if (!has([](NormType norm) { return norm != NormType::kNone; })) {
    return RequireDefaults(specs, attributes, {"norm_eps", "norm_offset", "norm_bias"},
                           "the block has no norm");
  }
  ASHLAR_TRY(RequirePositive(attributes, "norm_eps"));
  if (!has([](NormType norm) { return norm == NormType::kLayer; })) {
    return RequireDefaults(specs, attributes, {"norm_bias"}, "the block has no layer norm");
  }
  return {};
}

void AppendNormTensors(const NormSettings& norm, std::string_view name, std::int64_t width,
                       std::vector<TensorSpec>& tensors) {
  if (norm.type == NormType::kNone) {
    return;
  }
  tensors.push_back({TensorName(name, "weight"), TensorRole::kVector, {width}});
  if (norm.bias) {
    tensors.push_back({TensorName(name, "bias"), TensorRole::kVector, {width}});
  }
}

std::string TensorName(std::string_view name, std::string_view part) {
  return name.empty() ? std::string(part) : fmt::format("{}.{}", name, part);
}

}  // namespace ashlar::internal
