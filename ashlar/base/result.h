// A Result<T> is a T, or an Error that says why there is none. It is how ashlar speaks of
// everything that the world can get wrong; nothing here throws.
//
//   Result<Blob> Load(const Path& path) {
//     ASHLAR_TRY(const MappedFile file, files.Map(path));   // returns the Error on failure
//     ASHLAR_TRY(CheckHeader(file));                        // the same for Result<void>
//     ...
//   }
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "ashlar/base/check.h"

namespace ashlar {

// Few codes, each a different action for whoever receives it.
enum class ErrorCode {
  kInvalid,      // the input is wrong: mend it
  kUnsupported,  // the input is well-formed, and this version cannot do it
  kNotFound,     // no such thing: name another
  kCorrupt,      // stored or read bytes are not what they claim: fsck, import or pull again
  kExhausted,    // a budget (memory, pages, disk) is used up: give more, or try later
  kConflict,     // somebody else changed or holds it: try again
  kIo,           // the machine failed (permission, device): see the message
};

const char* ErrorCodeName(ErrorCode code);

struct Error {
  ErrorCode code;
  // What was wrong, where, what was expected and what was found; no trailing full stop.
  std::string message;

  // The same error, seen from the outside: "context: message".
  Error In(std::string_view context) const&;
};

template <class... Args>
[[nodiscard]] Error Invalid(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::kInvalid, fmt::format(format, std::forward<Args>(args)...)};
}
template <class... Args>
[[nodiscard]] Error Unsupported(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::kUnsupported, fmt::format(format, std::forward<Args>(args)...)};
}
template <class... Args>
[[nodiscard]] Error NotFound(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::kNotFound, fmt::format(format, std::forward<Args>(args)...)};
}
template <class... Args>
[[nodiscard]] Error Corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::kCorrupt, fmt::format(format, std::forward<Args>(args)...)};
}
template <class... Args>
[[nodiscard]] Error Exhausted(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::kExhausted, fmt::format(format, std::forward<Args>(args)...)};
}
template <class... Args>
[[nodiscard]] Error Conflict(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::kConflict, fmt::format(format, std::forward<Args>(args)...)};
}
template <class... Args>
[[nodiscard]] Error IoError(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::kIo, fmt::format(format, std::forward<Args>(args)...)};
}

// "strerror(errno_value)", for messages.
std::string ErrnoText(int errno_value);

template <class T>
class [[nodiscard]] Result {
 public:
  using Value = T;
  Result(T value) : value_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : value_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  // From what converts to a T in turn: a std::unique_ptr of a derived class, say.
  template <std::convertible_to<T> U>
  Result(U&& value) : Result(T(std::forward<U>(value))) {}  // NOLINT: implicit

  bool ok() const { return value_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Requires: ok().
  T& operator*() & {
    CheckOk();
    return *std::get_if<0>(&value_);
  }
  const T& operator*() const& {
    CheckOk();
    return *std::get_if<0>(&value_);
  }
  T&& operator*() && {
    CheckOk();
    return std::move(*std::get_if<0>(&value_));
  }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }

  // Requires: !ok().
  const Error& error() const& {
    CHECK(!ok());
    return *std::get_if<1>(&value_);
  }
  Error&& error() && {
    CHECK(!ok());
    return std::move(*std::get_if<1>(&value_));
  }

 private:
  void CheckOk() const {
    if (!ok()) [[unlikely]] {
      CheckFailed("result.h", 0, "a Result that is an error was read: " + error().message);
    }
  }
  std::variant<T, Error> value_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using Value = void;
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const& {
    CHECK(!ok());
    return *error_;
  }
  Error&& error() && {
    CHECK(!ok());
    return std::move(*error_);
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace ashlar

#define ASHLAR_CONCAT_INNER(a, b) a##b
#define ASHLAR_CONCAT(a, b) ASHLAR_CONCAT_INNER(a, b)

#define ASHLAR_TRY_VALUE(result, declaration, ...) \
  auto result = (__VA_ARGS__);                     \
  if (!result.ok()) [[unlikely]] {                 \
    return std::move(result).error();              \
  }                                                \
  declaration = *std::move(result)

#define ASHLAR_TRY_STATUS(result, expression)                  \
  if (auto result = (expression); !result.ok()) [[unlikely]] { \
    return std::move(result).error();                          \
  }

#define ASHLAR_TRY_PICK(_1, _2, _3, _4, _5, NAME, ...) NAME
#define ASHLAR_TRY_1(expression) ASHLAR_TRY_STATUS(ASHLAR_CONCAT(try_, __LINE__), expression)
#define ASHLAR_TRY_N(...) ASHLAR_TRY_VALUE(ASHLAR_CONCAT(try_, __LINE__), __VA_ARGS__)

// ASHLAR_TRY(expression) or ASHLAR_TRY(declaration, expression): goes on with the value, or
// returns the Error from the enclosing function.
#define ASHLAR_TRY(...)                                                                \
  ASHLAR_TRY_PICK(__VA_ARGS__, ASHLAR_TRY_N, ASHLAR_TRY_N, ASHLAR_TRY_N, ASHLAR_TRY_N, \
                  ASHLAR_TRY_1)                                                        \
  (__VA_ARGS__)
