// The parameters of an endpoint are a table. From it follow what a request may hold, the errors
// that name what it may not, and the reference (reference.h). A parameter that is not in the table
// is refused by name: nothing that a client asks for is passed over. Null asks for nothing.
//
// Errors of a request begin with the JSON path of what is wrong ("$.messages[2].role: ..."); a
// Problem (problem.h) tells the client that path as `param`.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/json_cursor.h"

namespace ashlar {

// Types of JSON that a parameter takes; several are a sum.
namespace json_type {
inline constexpr unsigned kBoolean = 1;
inline constexpr unsigned kInteger = 2;
inline constexpr unsigned kNumber = 4;  // an integer too
inline constexpr unsigned kString = 8;
inline constexpr unsigned kArray = 16;
inline constexpr unsigned kObject = 32;
inline constexpr unsigned kNull = 64;  // without it, null is the same as not given
}  // namespace json_type

struct Parameter {
  std::string_view name;
  unsigned types = 0;
  bool required = false;
  // Of a number, both included.
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  // The only strings it takes, parted by '|': "float|base64"; "": any.
  std::string_view values = {};
  // The only JSON that this server takes for it ("false"), where others ask for what it has not.
  std::string_view only = {};
  std::string_view otherwise = {};  // what is done without it, for the reference
  std::string_view doc = {};
};

// Tables are put together of parts, some of which several endpoints share.
using ParameterPart = std::span<const Parameter>;
using ParameterTable = std::span<const ParameterPart* const>;

// What a request's body says, checked against a table; typed on reading. Reading a parameter that
// the table has not, or as a type that it has not, is a CHECK. A view of the body.
class Parameters {
 public:
  // kInvalid: a type or a range; kUnsupported: a name, or a value that is not here.
  static Result<Parameters> Read(const JsonCursor& body, ParameterTable table);

  bool Has(std::string_view name) const { return Find(name) != nullptr; }
  bool Bool(std::string_view name, bool otherwise) const;
  std::int64_t Integer(std::string_view name, std::int64_t otherwise) const;
  double Number(std::string_view name, double otherwise) const;
  std::string String(std::string_view name, std::string_view otherwise) const;
  // The value with its path; null when it is not there. Valid while this lives.
  const JsonCursor* Find(std::string_view name) const;

 private:
  explicit Parameters(ParameterTable table) : table_(table) {}

  ParameterTable table_;
  std::map<std::string, JsonCursor, std::less<>> values_;
};

// The same within a value: kUnsupported, which blames the member, where `object` has one that is
// not `known`. Null asks for nothing there too.
Status AllowMembers(const JsonCursor& object, std::initializer_list<std::string_view> known);

// The names of the types, for people: "string or array".
std::string TypeNames(unsigned types);
// 'values' as a list.
std::vector<std::string_view> SplitValues(std::string_view values);

}  // namespace ashlar
