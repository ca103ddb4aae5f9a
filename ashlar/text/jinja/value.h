// The values of a template: what Python's types of the same names are to Jinja.
//
// Immutable but for namespaces, so copies share what they hold. Strings are well-formed UTF-8, and
// count in characters.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ashlar/base/json.h"
#include "ashlar/base/result.h"

namespace ashlar::jinja {

class Callable;
class Value;

struct None {};

// What a name without a value gives: prints as nothing, and most else is an error that says `what`.
struct Undefined {
  std::string what;  // "'x' is undefined"
};

// How much a value is when all of it is walked. What is in two places counts twice: a few lists of
// each other twice over make a value that no memory could print.
struct Extent {
  int depth = 0;            // of lists and dicts inside each other
  std::int64_t weight = 1;  // values and bytes of strings
};

struct List {
  std::vector<Value> items;
  bool tuple = false;
  Extent extent = {};  // kept by Value
};

struct Dict {
  std::vector<std::pair<Value, Value>> items;  // in the order of insertion
  Extent extent = {};                          // kept by Value
  const Value* Find(const Value& key) const;
  const Value* Find(std::string_view key) const;
  void Set(Value key, Value value);  // replaces
};

// The one thing that a template can change: {% set ns.x = 1 %}.
struct Namespace {
  Dict values;
};

class Value {
 public:
  Value() : value_(None{}) {}
  Value(None) : value_(None{}) {}                       // NOLINT
  Value(Undefined value) : value_(std::move(value)) {}  // NOLINT
  Value(bool value) : value_(value) {}                  // NOLINT
  Value(std::int64_t value) : value_(value) {}          // NOLINT
  Value(double value) : value_(value) {}                // NOLINT
  Value(std::string value)                              // NOLINT
      : value_(std::make_shared<const std::string>(std::move(value))) {}
  Value(std::string_view value) : Value(std::string(value)) {}                // NOLINT
  Value(const char* value) : Value(std::string(value)) {}                     // NOLINT
  Value(List value);                                                          // NOLINT
  Value(Dict value);                                                          // NOLINT
  Value(std::shared_ptr<Namespace> value) : value_(std::move(value)) {}       // NOLINT
  Value(std::shared_ptr<const Callable> value) : value_(std::move(value)) {}  // NOLINT

  // Each is null (or false) when the value is of another type.
  bool is_none() const { return std::holds_alternative<None>(value_); }
  const Undefined* undefined() const { return std::get_if<Undefined>(&value_); }
  const bool* boolean() const { return std::get_if<bool>(&value_); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&value_); }
  const double* real() const { return std::get_if<double>(&value_); }
  const std::string* string() const { return Pointee<const std::string>(); }
  const List* list() const { return Pointee<const List>(); }
  const Dict* dict() const { return Pointee<const Dict>(); }
  Namespace* ns() const { return Pointee<Namespace>(); }
  const Callable* callable() const { return Pointee<const Callable>(); }

  // As Python counts: True is 1. Nothing for what is no number.
  std::optional<std::int64_t> AsInteger() const;
  std::optional<double> AsReal() const;
  bool IsNumber() const { return AsReal().has_value(); }

  Extent extent() const;
  bool Truthy() const;
  const char* TypeName() const;  // "string", "list", "undefined"

 private:
  template <class T>
  T* Pointee() const {
    const auto* pointer = std::get_if<std::shared_ptr<T>>(&value_);
    return pointer != nullptr ? pointer->get() : nullptr;
  }
  std::variant<None, Undefined, bool, std::int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const List>, std::shared_ptr<const Dict>, std::shared_ptr<Namespace>,
               std::shared_ptr<const Callable>>
      value_;
};

// Python's ==: 1 == 1.0 == True, lists and dicts by their items. Values of two types differ.
bool Equal(const Value& a, const Value& b);
// Python's order: numbers, strings, lists. kInvalid when there is none between the two.
Result<int> Compare(const Value& a, const Value& b);

// What {{ x }} prints, and what lists print of their items.
std::string Str(const Value& value);
std::string Repr(const Value& value);

// json.dumps and what it can be told, as chat templates' tojson has it.
struct JsonStyle {
  bool ensure_ascii = false;  // what is not ASCII is written as \uXXXX
  std::optional<std::string> indent = {};
  // Between items, and between a key and its value. Nothing: ", " (at the end of a line ",") and
  // ": ".
  std::optional<std::pair<std::string, std::string>> separators = {};
  bool sort_keys = false;
  std::size_t most_bytes;
};
// kInvalid for a value that JSON has not, and keys that cannot be ordered; kExhausted beyond
// most_bytes.
Result<std::string> ToJson(const Value& value, const JsonStyle& style);

Value FromJson(const Json& json);

// The items that a loop goes over: of a list, a dict's keys, a string's characters, none of an
// undefined value.
Result<std::vector<Value>> Iterate(const Value& value);

// Characters of well-formed UTF-8.
std::int64_t CountCharacters(std::string_view text);
std::vector<std::string_view> Characters(std::string_view text);

}  // namespace ashlar::jinja
