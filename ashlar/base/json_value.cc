#include <algorithm>

#include "ashlar/base/json.h"

namespace ashlar {

Json::Json(const Json&) = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(const Json&) = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;

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
