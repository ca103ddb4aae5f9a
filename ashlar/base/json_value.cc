#include <algorithm>

#include "ashlar/base/json.h"

namespace ashlar {

Json::Json() = default;
Json::Json(std::nullptr_t) {}
Json::Json(bool value) : value_(value) {}
Json::Json(std::int64_t value) : value_(value) {}
Json::Json(double value) : value_(value) {}
Json::Json(std::string value) : value_(std::move(value)) {}
Json::Json(std::string_view value) : value_(std::string(value)) {}
Json::Json(const char* value) : value_(std::string(value)) {}
Json::Json(Array value) : value_(std::move(value)) {}
Json::Json(Object value) : value_(std::move(value)) {}

Json::Json(const Json&) = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(const Json&) = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;

bool Json::operator==(const Json& other) const {
  return value_ == other.value_;
}

Json Json::Of(std::initializer_list<Member> members) {
  return Object(members);
}

bool Json::is_null() const {
  return std::holds_alternative<std::monostate>(value_);
}
const bool* Json::boolean() const {
  return std::get_if<bool>(&value_);
}
const std::int64_t* Json::integer() const {
  return std::get_if<std::int64_t>(&value_);
}
const double* Json::real() const {
  return std::get_if<double>(&value_);
}
const std::string* Json::string() const {
  return std::get_if<std::string>(&value_);
}
const Json::Array* Json::array() const {
  return std::get_if<Array>(&value_);
}
const Json::Object* Json::object() const {
  return std::get_if<Object>(&value_);
}
Json::Array* Json::array() {
  return std::get_if<Array>(&value_);
}
Json::Object* Json::object() {
  return std::get_if<Object>(&value_);
}

const char* Json::type_name() const {
  static constexpr const char* kNames[] = {"null",   "boolean", "integer", "real",
                                           "string", "array",   "object"};
  return kNames[value_.index()];
}

const Json* Json::Find(std::string_view key) const {
  if (const Object* members = object()) {
    const auto found = std::ranges::find(*members, key, &Member::first);
    if (found != members->end()) {
      return &found->second;
    }
  }
  return nullptr;
}

void Json::Set(std::string_view key, Json value) {
  if (is_null()) {
    value_ = Object();
  }
  Object* members = object();
  CHECK(members != nullptr);
  const auto found = std::ranges::find(*members, key, &Member::first);
  if (found != members->end()) {
    found->second = std::move(value);
  } else {
    members->emplace_back(key, std::move(value));
  }
}

void Json::Append(Json value) {
  if (is_null()) {
    value_ = Array();
  }
  Array* elements = array();
  CHECK(elements != nullptr);
  elements->push_back(std::move(value));
}

}  // namespace ashlar
