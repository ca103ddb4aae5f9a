#include "ashlar/graph/attributes.h"

#include <algorithm>
#include <cmath>

#include "ashlar/base/join.h"
#include "ashlar/graph/internal/manifest_json.h"

namespace ashlar {
namespace {

const char* TypeName(AttributeType type) {
  switch (type) {
    case AttributeType::kInteger:
      return "an integer";
    case AttributeType::kReal:
      return "a real";
    case AttributeType::kChoice:
      return "a choice";
  }
  CHECK(false);
}

AttributeValue DefaultOf(const AttributeSpec& spec) {
  switch (spec.type) {
    case AttributeType::kInteger:
      return spec.default_integer;
    case AttributeType::kReal:
      return spec.default_real;
    case AttributeType::kChoice:
      return std::string(spec.default_choice);
  }
  CHECK(false);
}

const AttributeSpec* FindSpec(std::span<const AttributeSpec> specs, std::string_view name) {
  const auto spec = std::ranges::find(specs, name, &AttributeSpec::name);
  return spec == specs.end() ? nullptr : &*spec;
}

// Requires: AttributeType and the variant's alternatives stand in one order.
bool HasType(const AttributeValue& value, AttributeType type) {
  return value.index() == static_cast<std::size_t>(type);
}

Status CheckValue(const AttributeSpec& spec, const AttributeValue& value) {
  if (!HasType(value, spec.type)) {
    return Invalid("attribute \"{}\" is {}, not {}", spec.name, TypeName(spec.type),
                   TypeName(static_cast<AttributeType>(value.index())));
  }
  if (const std::int64_t* integer = std::get_if<std::int64_t>(&value)) {
    if (*integer < spec.min || *integer > spec.max) {
      return Invalid("attribute \"{}\" must be from {} to {}, found {}", spec.name, spec.min,
                     spec.max, *integer);
    }
  } else if (const double* real = std::get_if<double>(&value)) {
    if (!std::isfinite(*real)) {
      return Invalid("attribute \"{}\" must be finite, found {}", spec.name, *real);
    }
  } else if (const std::string& choice = std::get<std::string>(value);
             std::ranges::find(spec.choices, choice) == spec.choices.end()) {
    return Invalid("attribute \"{}\" must be one of {}, found {}", spec.name,
                   Join(spec.choices, ", "), QuoteForError(choice));
  }
  return {};
}

}  // namespace

Result<Attributes> Attributes::Make(std::span<const AttributeSpec> specs,
                                    std::map<std::string, AttributeValue, std::less<>> values) {
  for (auto& [name, value] : values) {
    const AttributeSpec* spec = FindSpec(specs, name);
    if (spec == nullptr) {
      return Invalid("unknown attribute {}", QuoteForError(name));
    }
    ASHLAR_TRY(CheckValue(*spec, value));
    if (double* real = std::get_if<double>(&value)) {
      *real += 0.0;  // -0 is 0
    }
  }
  for (const AttributeSpec& spec : specs) {
    if (values.find(spec.name) != values.end()) {
      continue;
    }
    if (spec.required) {
      return Invalid("attribute \"{}\" is missing", spec.name);
    }
    values.emplace(spec.name, DefaultOf(spec));
  }
  Attributes attributes;
  attributes.specs_ = specs;
  attributes.values_ = std::move(values);
  return attributes;
}

Result<Attributes> Attributes::Parse(std::span<const AttributeSpec> specs, const JsonCursor& json) {
  std::map<std::string, AttributeValue, std::less<>> values;
  ASHLAR_TRY(const auto members, json.AsObject(internal::kMaxEntries));
  for (const auto& [name, member] : members) {
    const AttributeSpec* spec = FindSpec(specs, name);
    if (spec == nullptr) {
      return json.Invalid("unknown attribute {}", QuoteForError(name));
    }
    switch (spec->type) {
      case AttributeType::kInteger: {
        ASHLAR_TRY(const std::int64_t integer, member.AsInteger(spec->min, spec->max));
        values.emplace(name, integer);
        break;
      }
      case AttributeType::kReal: {
        ASHLAR_TRY(const double real, internal::ParseRealText(member));
        values.emplace(name, real);
        break;
      }
      case AttributeType::kChoice: {
        ASHLAR_TRY(std::string choice, member.AsString());
        values.emplace(name, std::move(choice));
        break;
      }
    }
  }
  Result<Attributes> attributes = Make(specs, std::move(values));
  if (!attributes.ok()) {
    return attributes.error().In(json.path());
  }
  return attributes;
}

std::int64_t Attributes::Integer(std::string_view name) const {
  const auto at = values_.find(name);
  CHECK(at != values_.end() && std::holds_alternative<std::int64_t>(at->second));
  return std::get<std::int64_t>(at->second);
}

double Attributes::Real(std::string_view name) const {
  const auto at = values_.find(name);
  CHECK(at != values_.end() && std::holds_alternative<double>(at->second));
  return std::get<double>(at->second);
}

const std::string& Attributes::Choice(std::string_view name) const {
  const auto at = values_.find(name);
  CHECK(at != values_.end() && std::holds_alternative<std::string>(at->second));
  return std::get<std::string>(at->second);
}

Attributes Attributes::With(std::string_view name, std::int64_t value) const {
  Attributes changed = *this;
  const auto at = changed.values_.find(name);
  CHECK(at != changed.values_.end() && std::holds_alternative<std::int64_t>(at->second));
  at->second = value;
  return changed;
}

Json Attributes::ToJson() const {
  Json json{Json::Object{}};
  for (const AttributeSpec& spec : specs_) {
    const AttributeValue& value = values_.find(spec.name)->second;
    if (!spec.required && value == DefaultOf(spec)) {
      continue;
    }
    if (const std::int64_t* integer = std::get_if<std::int64_t>(&value)) {
      json.Set(spec.name, *integer);
    } else if (const double* real = std::get_if<double>(&value)) {
      json.Set(spec.name, internal::RealText(*real));
    } else {
      json.Set(spec.name, std::get<std::string>(value));
    }
  }
  return json;
}

}  // namespace ashlar
