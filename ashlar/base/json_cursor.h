// A JsonCursor reads typed values out of a Json that came from outside, and remembers the path, so
// that each error says where: "$.nodes[3].block: expected a string, found integer".
//
//   ASHLAR_TRY(const JsonCursor nodes, root.At("nodes"));
//   ASHLAR_TRY(const std::int64_t width, root.Integer("width", 1, 1 << 20));
//
// A view: it must not outlive the Json. Every read is checked; there is no unchecked accessor.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "ashlar/base/json.h"

namespace ashlar {

class JsonCursor {
 public:
  // `name` begins every path: "$", or a file name.
  explicit JsonCursor(const Json& value, std::string name = "$")
      : value_(&value), path_(std::move(name)) {}

  const Json& value() const { return *value_; }
  const std::string& path() const { return path_; }
  bool is_null() const { return value_->is_null(); }

  // ---- The value itself. kInvalid when it is of another type or out of range.
  Result<bool> AsBool() const;
  Result<std::int64_t> AsInteger(std::int64_t min, std::int64_t max) const;
  Result<double> AsReal() const;  // an integer counts; always finite
  Result<std::string> AsString() const;
  // Elements of an array, or members of an object, each with its path. At most `max_size`.
  Result<std::vector<JsonCursor>> AsArray(std::size_t max_size = 1u << 24) const;
  Result<std::vector<std::pair<std::string, JsonCursor>>> AsObject(
      std::size_t max_size = 1u << 24) const;

  // ---- A member of an object. kInvalid when absent.
  Result<JsonCursor> At(std::string_view key) const;
  // Nothing when the member is absent or null. kInvalid when this is no object.
  Result<std::optional<JsonCursor>> Find(std::string_view key) const;
  Result<bool> Bool(std::string_view key) const;
  Result<std::int64_t> Integer(std::string_view key, std::int64_t min, std::int64_t max) const;
  Result<double> Real(std::string_view key) const;
  Result<std::string> String(std::string_view key) const;
  // ---- The same with a default for a member that is absent or null.
  Result<bool> BoolOr(std::string_view key, bool otherwise) const;
  Result<std::int64_t> IntegerOr(std::string_view key, std::int64_t min, std::int64_t max,
                                 std::int64_t otherwise) const;
  Result<double> RealOr(std::string_view key, double otherwise) const;
  Result<std::string> StringOr(std::string_view key, std::string_view otherwise) const;

  // kInvalid, naming the key, when this object has a key that is not in `known`.
  Status AllowOnly(std::initializer_list<std::string_view> known) const;

  // "path: message", for errors that the caller finds.
  template <class... Args>
  [[nodiscard]] Error Invalid(fmt::format_string<Args...> format, Args&&... args) const {
    return internal::FormatError(ErrorCode::kInvalid, format, fmt::make_format_args(args...))
        .In(path_);
  }

 private:
  const Json* value_;
  std::string path_;
};

}  // namespace ashlar
