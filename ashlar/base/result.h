// A Result<T> is a T, or an Error that says why there is none. It is how ashlar speaks of
// everything that the world can get wrong; nothing here throws.
//
//   Result<Blob> Load(const Path& path) {
//     ASHLAR_TRY(const MappedFile file, files.Map(path));   // returns the Error on failure
//     ASHLAR_TRY(CheckHeader(file));                        // the same for Result<void>
//     ...
//   }
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

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

namespace internal {
Error FormatError(ErrorCode code, fmt::string_view format, fmt::format_args args);
}

template <class... Args>
[[nodiscard]] Error Invalid(fmt::format_string<Args...> format, Args&&... args) {
  return internal::FormatError(ErrorCode::kInvalid, format, fmt::make_format_args(args...));
}
template <class... Args>
[[nodiscard]] Error Unsupported(fmt::format_string<Args...> format, Args&&... args) {
  return internal::FormatError(ErrorCode::kUnsupported, format, fmt::make_format_args(args...));
}
template <class... Args>
[[nodiscard]] Error NotFound(fmt::format_string<Args...> format, Args&&... args) {
  return internal::FormatError(ErrorCode::kNotFound, format, fmt::make_format_args(args...));
}
template <class... Args>
[[nodiscard]] Error Corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return internal::FormatError(ErrorCode::kCorrupt, format, fmt::make_format_args(args...));
}
template <class... Args>
[[nodiscard]] Error Exhausted(fmt::format_string<Args...> format, Args&&... args) {
  return internal::FormatError(ErrorCode::kExhausted, format, fmt::make_format_args(args...));
}
template <class... Args>
[[nodiscard]] Error Conflict(fmt::format_string<Args...> format, Args&&... args) {
  return internal::FormatError(ErrorCode::kConflict, format, fmt::make_format_args(args...));
}
template <class... Args>
[[nodiscard]] Error IoError(fmt::format_string<Args...> format, Args&&... args) {
  return internal::FormatError(ErrorCode::kIo, format, fmt::make_format_args(args...));
}

// "strerror(errno_value)", for messages.
std::string ErrnoText(int errno_value);

namespace internal {
template <class T, class... Others>
constexpr bool IsOneOf = (std::is_same_v<T, Others> || ...);
}  // namespace internal

// A union and a flag, by hand: what std::variant instantiates for each T was a tenth of the time of
// compiling ashlar. It is never empty: what is moved from keeps its alternative, and assigning
// needs a T that moves without throwing, as every T here does.
template <class T>
class [[nodiscard]] Result {
 public:
  using Value = T;
  Result(T value) : value_(std::move(value)), ok_(true) {}       // NOLINT: implicit
  Result(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT: implicit

  // From what converts to a T in turn: a std::unique_ptr of a derived class, say.
  // (The plain cases are told apart first, since it takes long to compile whether U converts.)
  template <class U>
  requires(!internal::IsOneOf<std::remove_cvref_t<U>, T, Error, Result<T>> &&
           std::is_convertible_v<U, T>) Result(U&& value)
      : Result(T(std::forward<U>(value))) {}  // NOLINT: implicit

  Result(const Result& other) requires std::is_copy_constructible_v<T> : ok_(other.ok_) {
    if (ok_) {
      std::construct_at(&value_, other.value_);
    } else {
      std::construct_at(&error_, other.error_);
    }
  }
  Result(Result&& other) noexcept : ok_(other.ok_) {
    if (ok_) {
      std::construct_at(&value_, std::move(other.value_));
    } else {
      std::construct_at(&error_, std::move(other.error_));
    }
  }
  Result& operator=(Result other) noexcept {
    std::destroy_at(this);
    return *std::construct_at(this, std::move(other));
  }
  ~Result() {
    if (ok_) {
      value_.~T();
    } else {
      error_.~Error();
    }
  }

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }

  // Requires: ok().
  T& operator*() & {
    CheckOk();
    return value_;
  }
  const T& operator*() const& {
    CheckOk();
    return value_;
  }
  T&& operator*() && {
    CheckOk();
    return std::move(value_);
  }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }

  // Requires: !ok().
  const Error& error() const& {
    CHECK(!ok_);
    return error_;
  }
  Error&& error() && {
    CHECK(!ok_);
    return std::move(error_);
  }

 private:
  void CheckOk() const {
    if (!ok_) [[unlikely]] {
      CheckFailed("result.h", 0, "a Result that is an error was read: " + error_.message);
    }
  }
  union {
    T value_;
    Error error_;
  };
  bool ok_;
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
