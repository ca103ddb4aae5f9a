// The words that the kinds' tables of attributes are written with, and the checks that a table
// cannot express.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "ashlar/base/result.h"
#include "ashlar/graph/kind.h"

namespace ashlar::internal {

// Bounds of integers. They keep every product that a kind's shapes take below Shape's own limit.
inline constexpr std::int64_t kMaxWidth = std::int64_t{1} << 20;
inline constexpr std::int64_t kMaxChannels = std::int64_t{1} << 24;
inline constexpr std::int64_t kMaxVocabulary = std::int64_t{1} << 24;
inline constexpr std::int64_t kMaxHeads = std::int64_t{1} << 12;
inline constexpr std::int64_t kMaxHeadDim = std::int64_t{1} << 12;
inline constexpr std::int64_t kMaxPositions = std::int64_t{1} << 40;

// An integer that every manifest states, at least 1.
constexpr AttributeSpec RequiredInteger(std::string_view name, std::int64_t max,
                                        std::string_view doc) {
  return {.name = name,
          .type = AttributeType::kInteger,
          .required = true,
          .min = 1,
          .max = max,
          .doc = doc};
}
// An integer from 0 on, and 0 is the default: without what it counts.
constexpr AttributeSpec OptionalInteger(std::string_view name, std::int64_t max,
                                        std::string_view doc) {
  return {.name = name, .type = AttributeType::kInteger, .min = 0, .max = max, .doc = doc};
}
// 1: yes; 0, the default: no.
constexpr AttributeSpec Flag(std::string_view name, std::string_view doc) {
  return OptionalInteger(name, 1, doc);
}
constexpr AttributeSpec RequiredReal(std::string_view name, std::string_view doc) {
  return {.name = name, .type = AttributeType::kReal, .required = true, .doc = doc};
}
constexpr AttributeSpec OptionalReal(std::string_view name, double otherwise,
                                     std::string_view doc) {
  return {.name = name, .type = AttributeType::kReal, .default_real = otherwise, .doc = doc};
}
constexpr AttributeSpec RequiredChoice(std::string_view name,
                                       std::span<const std::string_view> choices,
                                       std::string_view doc) {
  return {.name = name,
          .type = AttributeType::kChoice,
          .required = true,
          .choices = choices,
          .doc = doc};
}
// The first choice is the default.
constexpr AttributeSpec OptionalChoice(std::string_view name,
                                       std::span<const std::string_view> choices,
                                       std::string_view doc) {
  return {.name = name,
          .type = AttributeType::kChoice,
          .default_choice = choices.front(),
          .choices = choices,
          .doc = doc};
}

// kInvalid unless each of `names` has its default: "attribute "x" has no meaning when REASON". An
// attribute that changes nothing would give one block two identities.
Status RequireDefaults(std::span<const AttributeSpec> specs, const Attributes& attributes,
                       std::initializer_list<std::string_view> names, std::string_view reason);

// kInvalid unless the real is above 0; or at least 0.
Status RequirePositive(const Attributes& attributes, std::string_view name);
Status RequireNotNegative(const Attributes& attributes, std::string_view name);

inline bool IsSet(const Attributes& attributes, std::string_view flag) {
  return attributes.Integer(flag) != 0;
}

}  // namespace ashlar::internal
