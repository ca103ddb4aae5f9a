#include "ashlar/kinds/internal/attribute_specs.h"

#include <algorithm>

namespace ashlar::internal {
namespace {

bool HasDefault(const AttributeSpec& spec, const Attributes& attributes) {
  switch (spec.type) {
    case AttributeType::kInteger:
      return attributes.Integer(spec.name) == spec.default_integer;
    case AttributeType::kReal:
      return attributes.Real(spec.name) == spec.default_real;
    case AttributeType::kChoice:
      return attributes.Choice(spec.name) == spec.default_choice;
  }
  CHECK(false);
}

}  // namespace

Status RequireDefaults(std::span<const AttributeSpec> specs, const Attributes& attributes,
                       std::initializer_list<std::string_view> names, std::string_view reason) {
  for (const std::string_view name : names) {
    const auto spec = std::ranges::find(specs, name, &AttributeSpec::name);
    CHECK(spec != specs.end());
    if (!HasDefault(*spec, attributes)) {
      return Invalid("attribute \"{}\" has no meaning when {}; leave it out", name, reason);
    }
  }
  return {};
}

Status RequirePositive(const Attributes& attributes, std::string_view name) {
  if (const double value = attributes.Real(name); !(value > 0)) {
    return Invalid("attribute \"{}\" must be above 0, found {}", name, value);
  }
  return {};
}

Status RequireNotNegative(const Attributes& attributes, std::string_view name) {
  if (const double value = attributes.Real(name); !(value >= 0)) {
    return Invalid("attribute \"{}\" must be at least 0, found {}", name, value);
  }
  return {};
}

}  // namespace ashlar::internal
