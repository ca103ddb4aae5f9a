#include "ashlar/server/api/parameters.h"

#include <algorithm>
#include <cmath>

#include "ashlar/base/join.h"

namespace ashlar {
namespace {

constexpr std::pair<unsigned, std::string_view> kTypeNames[] = {
    {json_type::kBoolean, "boolean"}, {json_type::kInteger, "integer"},
    {json_type::kNumber, "number"},   {json_type::kString, "string"},
    {json_type::kArray, "array"},     {json_type::kObject, "object"},
    {json_type::kNull, "null"}};

constexpr std::size_t kMostParameters = 256;

unsigned TypeOf(const Json& value) {
  if (value.boolean() != nullptr) {
    return json_type::kBoolean;
  }
  if (value.integer() != nullptr) {
    return json_type::kInteger | json_type::kNumber;
  }
  if (value.real() != nullptr) {
    return json_type::kNumber;
  }
  if (value.string() != nullptr) {
    return json_type::kString;
  }
  if (value.is_null()) {
    return json_type::kNull;
  }
  return value.array() != nullptr ? json_type::kArray : json_type::kObject;
}

const Parameter* FindIn(ParameterTable table, std::string_view name) {
  for (const ParameterPart* part : table) {
    const auto found = std::ranges::find(*part, name, &Parameter::name);
    if (found != part->end()) {
      return &*found;
    }
  }
  return nullptr;
}

Status CheckRange(const Parameter& parameter, const JsonCursor& value) {
  ASHLAR_TRY(const double number, value.AsReal());
  if (number >= parameter.min && number <= parameter.max) {
    return {};
  }
  if (std::isinf(parameter.max)) {
    return value.Invalid("expected at least {}, found {}", parameter.min, number);
  }
  return value.Invalid("expected a number from {} to {}, found {}", parameter.min, parameter.max,
                       number);
}

Status CheckValue(const Parameter& parameter, const JsonCursor& value) {
  const unsigned types = TypeOf(value.value());
  if ((types & parameter.types) == 0) {
    return value.Invalid("expected {}, found {}", TypeNames(parameter.types),
                         value.value().type_name());
  }
  if ((types & json_type::kNumber) != 0) {
    ASHLAR_TRY(CheckRange(parameter, value));
  }
  if (!parameter.values.empty() && value.value().string() != nullptr) {
    const std::vector<std::string_view> values = SplitValues(parameter.values);
    if (std::ranges::find(values, *value.value().string()) == values.end()) {
      return value.Invalid("expected one of {}, found {}", Join(values, ", "),
                           QuoteForError(*value.value().string()));
    }
  }
  if (!parameter.only.empty() && WriteJson(value.value()) != parameter.only) {
    return Unsupported("{}: this server takes {} only", value.path(), parameter.only);
  }
  return {};
}

}  // namespace

std::string TypeNames(unsigned types) {
  std::string names;
  for (const auto& [type, name] : kTypeNames) {
    if ((types & type) != 0) {
      names += names.empty() ? "" : " or ";
      names += name;
    }
  }
  return names;
}

std::vector<std::string_view> SplitValues(std::string_view values) {
  std::vector<std::string_view> list;
  while (!values.empty()) {
    const std::size_t end = std::min(values.find('|'), values.size());
    list.push_back(values.substr(0, end));
    values.remove_prefix(std::min(end + 1, values.size()));
  }
  return list;
}

Result<Parameters> Parameters::Read(const JsonCursor& body, ParameterTable table) {
  Parameters parameters(table);
  ASHLAR_TRY(const auto members, body.AsObject(kMostParameters));
  for (const auto& [name, value] : members) {
    const Parameter* const parameter = FindIn(table, name);
    const bool takes_null = parameter != nullptr && (parameter->types & json_type::kNull) != 0;
    if (value.is_null() && !takes_null) {  // clients name so what they know and do not ask for
      continue;
    }
    if (parameter == nullptr) {
      return Unsupported("{}: this endpoint has no such parameter", value.path());
    }
    ASHLAR_TRY(CheckValue(*parameter, value));
    parameters.values_.emplace(name, value);
  }
  for (const ParameterPart* part : table) {
    for (const Parameter& parameter : *part) {
      if (parameter.required && !parameters.Has(parameter.name)) {
        return Invalid("{}.{}: is required", body.path(), parameter.name);
      }
    }
  }
  return parameters;
}

const JsonCursor* Parameters::Find(std::string_view name) const {
  CHECK(FindIn(table_, name) != nullptr);
  const auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second;
}

bool Parameters::Bool(std::string_view name, bool otherwise) const {
  const JsonCursor* const value = Find(name);
  return value == nullptr ? otherwise : *value->AsBool();
}

std::int64_t Parameters::Integer(std::string_view name, std::int64_t otherwise) const {
  const JsonCursor* const value = Find(name);
  return value == nullptr ? otherwise : *value->value().integer();
}

double Parameters::Number(std::string_view name, double otherwise) const {
  const JsonCursor* const value = Find(name);
  return value == nullptr ? otherwise : *value->AsReal();
}

std::string Parameters::String(std::string_view name, std::string_view otherwise) const {
  const JsonCursor* const value = Find(name);
  return value == nullptr ? std::string(otherwise) : *value->AsString();
}

Status AllowMembers(const JsonCursor& object, std::initializer_list<std::string_view> known) {
  ASHLAR_TRY(const auto members, object.AsObject());
  for (const auto& [key, member] : members) {
    if (!member.is_null() && std::ranges::find(known, std::string_view(key)) == known.end()) {
      return Unsupported("{}: there is no such member here: expected {}", member.path(),
                         fmt::join(known, ", "));
    }
  }
  return {};
}

}  // namespace ashlar
