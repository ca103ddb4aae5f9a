// Json is a JSON value: parsed from outside text, built by us, written compact or canonical.
//
// Objects keep the order of their keys; a key stands once. Integers that fit in 64 bits stay
// integers. Thread-compatible, like a standard container.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ashlar/base/result.h"

namespace ashlar {

namespace internal {
template <class T>
concept NumericInteger = std::integral<T> && !std::same_as<T, bool>;
}  // namespace internal

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  Json();                    // null
  Json(std::nullptr_t);      // NOLINT: implicit
  Json(bool value);          // NOLINT: implicit
  Json(std::int64_t value);  // NOLINT: implicit
  template <internal::NumericInteger T>
  Json(T value) : Json(CheckedInteger(value)) {}  // NOLINT: implicit
  Json(double value);                             // NOLINT: implicit
  Json(std::string value);                        // NOLINT: implicit
  Json(std::string_view value);                   // NOLINT: implicit
  Json(const char* value);                        // NOLINT: implicit
  Json(Array value);                              // NOLINT: implicit
  Json(Object value);                             // NOLINT: implicit
  // What handles the variant is not inline: it would be compiled in every source that has a Json.
  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  ~Json();

  // Json::Of({{"name", "x"}, {"size", 3}})
  static Json Of(std::initializer_list<Member> members);

  bool is_null() const;
  // Each is null when the value is of another type.
  const bool* boolean() const;
  const std::int64_t* integer() const;
  const double* real() const;  // not for integers
  const std::string* string() const;
  const Array* array() const;
  const Object* object() const;
  Array* array();
  Object* object();
  const char* type_name() const;  // "null", "boolean", "integer", "real", "string", ...

  // The member `key`, or null when absent or not an object. Linear in the number of keys.
  const Json* Find(std::string_view key) const;
  // Sets or replaces the member `key`. Requires: an object (null becomes one).
  void Set(std::string_view key, Json value);
  // Appends. Requires: an array (null becomes one).
  void Append(Json value);

  bool operator==(const Json& other) const;

 private:
  template <class T>
  static std::int64_t CheckedInteger(T value) {
    CHECK(std::in_range<std::int64_t>(value));
    return static_cast<std::int64_t>(value);
  }
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

struct JsonLimits {
  std::uint64_t max_bytes = 256u << 20;
  int max_depth = 128;
  std::uint64_t max_values = 1u << 24;  // bounds memory: two bytes of text make a value of 40
};

// Parses one JSON text (RFC 8259). Errors (kInvalid) name the byte offset: bad syntax, bad UTF-8,
// duplicate keys, depth or size over the limits, numbers that overflow a double.
Result<Json> ParseJson(std::string_view text, const JsonLimits& limits = {});

// Compact, keys in their own order; for files and answers that people read. Always valid JSON: a
// NaN or an infinity becomes null, bytes that are not UTF-8 become U+FFFD.
std::string WriteJson(const Json& value);
// The same with two-space indentation.
std::string WriteJsonPretty(const Json& value);

// RFC 8785 (JSON Canonicalization Scheme): equal meaning is equal bytes. Keys sorted by UTF-16
// code units, shortest escapes, numbers by EcmaScriptNumber. Requires: no NaN or infinity inside,
// strings are UTF-8.
std::string CanonicalJson(const Json& value);

// ECMAScript's Number::toString (ECMA-262, 6.1.6.1.20): the shortest decimal that reads back as
// `value`; -0 is "0". Requires: finite.
std::string EcmaScriptNumber(double value);

// `text` as a JSON string, cut after some 80 bytes: how an error message quotes what came from
// outside.
std::string QuoteForError(std::string_view text);

}  // namespace ashlar
