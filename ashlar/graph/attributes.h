// Attributes are a block's numbers and words: its widths, heads, epsilons, activation.
//
// A kind declares its attributes as a table of AttributeSpec. In a manifest an integer is a JSON
// integer; a real is the ECMAScript form of the f64 in quotes; a choice is a string; and an
// attribute that has its default is left out, so that equal meaning is equal bytes and a later
// version may add attributes without renaming the blocks there are.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ashlar/base/json_cursor.h"

namespace ashlar {

enum class AttributeType : std::uint8_t { kInteger, kReal, kChoice };

using AttributeValue = std::variant<std::int64_t, double, std::string>;

struct AttributeSpec {
  std::string_view name;
  AttributeType type = AttributeType::kInteger;
  bool required = false;  // else it has the default below
  std::int64_t default_integer = 0;
  double default_real = 0;
  std::string_view default_choice = {};
  std::int64_t min = 0, max = 0;  // integers, inclusive
  std::span<const std::string_view> choices = {};
  std::string_view doc;  // one line: meaning, unit, what the default means
};

// Complete and checked against a spec: every attribute of the kind has a value of its type.
class Attributes {
 public:
  // Defaults filled in. kInvalid names an unknown, missing, mistyped or out-of-range attribute.
  static Result<Attributes> Make(std::span<const AttributeSpec> specs,
                                 std::map<std::string, AttributeValue, std::less<>> values);
  static Result<Attributes> Parse(std::span<const AttributeSpec> specs, const JsonCursor& json);

  // Requires: the kind has an attribute of that name and type.
  std::int64_t Integer(std::string_view name) const;
  double Real(std::string_view name) const;
  const std::string& Choice(std::string_view name) const;

  // A copy in which one integer has another value (how a slice is applied).
  Attributes With(std::string_view name, std::int64_t value) const;

  // Those that differ from their defaults, as in a manifest.
  Json ToJson() const;
  const std::map<std::string, AttributeValue, std::less<>>& values() const { return values_; }

  friend bool operator==(const Attributes& a, const Attributes& b) {
    return a.values_ == b.values_;
  }

 private:
  std::span<const AttributeSpec> specs_;
  std::map<std::string, AttributeValue, std::less<>> values_;
};

}  // namespace ashlar
