#include "ashlar/base/json_cursor.h"

#include <algorithm>
#include <cmath>

namespace ashlar {
namespace {

// "path.key", or `path["odd key"]`.
std::string MemberPath(const std::string& path, std::string_view key) {
  constexpr std::size_t kLongest = 40;
  const bool plain = !key.empty() && key.size() <= kLongest && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  return plain ? fmt::format("{}.{}", path, key) : fmt::format("{}[{}]", path, QuoteForError(key));
}

}  // namespace

Result<bool> JsonCursor::AsBool() const {
  if (const bool* boolean = value_->boolean()) {
    return *boolean;
  }
  return Invalid("expected a boolean, found {}", value_->type_name());
}

Result<std::int64_t> JsonCursor::AsInteger(std::int64_t min, std::int64_t max) const {
  const std::int64_t* integer = value_->integer();
  if (integer == nullptr) {
    return Invalid("expected an integer, found {}", value_->type_name());
  }
  if (*integer < min || *integer > max) {
    return Invalid("expected an integer from {} to {}, found {}", min, max, *integer);
  }
  return *integer;
}

Result<double> JsonCursor::AsReal() const {
  if (const std::int64_t* integer = value_->integer()) {
    return static_cast<double>(*integer);
  }
  const double* real = value_->real();
  if (real == nullptr) {
    return Invalid("expected a number, found {}", value_->type_name());
  }
  if (!std::isfinite(*real)) {
    return Invalid("expected a finite number, found {}", *real);
  }
  return *real;
}

Result<std::string> JsonCursor::AsString() const {
  if (const std::string* string = value_->string()) {
    return *string;
  }
  return Invalid("expected a string, found {}", value_->type_name());
}

Result<std::vector<JsonCursor>> JsonCursor::AsArray(std::size_t max_size) const {
  const Json::Array* array = value_->array();
  if (array == nullptr) {
    return Invalid("expected an array, found {}", value_->type_name());
  }
  if (array->size() > max_size) {
    return Invalid("expected at most {} elements, found {}", max_size, array->size());
  }
  std::vector<JsonCursor> elements;
  elements.reserve(array->size());
  for (std::size_t i = 0; i < array->size(); ++i) {
    elements.emplace_back((*array)[i], fmt::format("{}[{}]", path_, i));
  }
  return elements;
}

Result<std::vector<std::pair<std::string, JsonCursor>>> JsonCursor::AsObject(
    std::size_t max_size) const {
  const Json::Object* object = value_->object();
  if (object == nullptr) {
    return Invalid("expected an object, found {}", value_->type_name());
  }
  if (object->size() > max_size) {
    return Invalid("expected at most {} members, found {}", max_size, object->size());
  }
  std::vector<std::pair<std::string, JsonCursor>> members;
  members.reserve(object->size());
  for (const auto& [key, value] : *object) {
    members.emplace_back(key, JsonCursor(value, MemberPath(path_, key)));
  }
  return members;
}

Result<JsonCursor> JsonCursor::At(std::string_view key) const {
  if (value_->object() == nullptr) {
    return Invalid("expected an object, found {}", value_->type_name());
  }
  const Json* member = value_->Find(key);
  if (member == nullptr) {
    return Invalid("has no member {}", QuoteForError(key));
  }
  return JsonCursor(*member, MemberPath(path_, key));
}

Result<std::optional<JsonCursor>> JsonCursor::Find(std::string_view key) const {
  if (value_->object() == nullptr) {
    return Invalid("expected an object, found {}", value_->type_name());
  }
  const Json* member = value_->Find(key);
  if (member == nullptr || member->is_null()) {
    return std::optional<JsonCursor>();
  }
  return std::optional<JsonCursor>(JsonCursor(*member, MemberPath(path_, key)));
}

Result<bool> JsonCursor::Bool(std::string_view key) const {
  ASHLAR_TRY(const JsonCursor member, At(key));
  return member.AsBool();
}

Result<std::int64_t> JsonCursor::Integer(std::string_view key, std::int64_t min,
                                         std::int64_t max) const {
  ASHLAR_TRY(const JsonCursor member, At(key));
  return member.AsInteger(min, max);
}

Result<double> JsonCursor::Real(std::string_view key) const {
  ASHLAR_TRY(const JsonCursor member, At(key));
  return member.AsReal();
}

Result<std::string> JsonCursor::String(std::string_view key) const {
  ASHLAR_TRY(const JsonCursor member, At(key));
  return member.AsString();
}

Result<bool> JsonCursor::BoolOr(std::string_view key, bool otherwise) const {
  ASHLAR_TRY(const std::optional<JsonCursor> member, Find(key));
  return member ? member->AsBool() : otherwise;
}

Result<std::int64_t> JsonCursor::IntegerOr(std::string_view key, std::int64_t min, std::int64_t max,
                                           std::int64_t otherwise) const {
  ASHLAR_TRY(const std::optional<JsonCursor> member, Find(key));
  return member ? member->AsInteger(min, max) : otherwise;
}

Result<double> JsonCursor::RealOr(std::string_view key, double otherwise) const {
  ASHLAR_TRY(const std::optional<JsonCursor> member, Find(key));
  return member ? member->AsReal() : otherwise;
}

Result<std::string> JsonCursor::StringOr(std::string_view key, std::string_view otherwise) const {
  ASHLAR_TRY(const std::optional<JsonCursor> member, Find(key));
  return member ? member->AsString() : std::string(otherwise);
}

Status JsonCursor::AllowOnly(std::initializer_list<std::string_view> known) const {
  const Json::Object* object = value_->object();
  if (object == nullptr) {
    return Invalid("expected an object, found {}", value_->type_name());
  }
  for (const auto& [key, value] : *object) {
    if (std::ranges::find(known, std::string_view(key)) == known.end()) {
      return Invalid("has an unknown member {}", QuoteForError(key));
    }
  }
  return {};
}

}  // namespace ashlar
