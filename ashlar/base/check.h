// CHECK states what must hold if this program is right. When it does not, the program prints the
// condition and its values and aborts, in release too. What the world can get wrong (files,
// requests, budgets) is a Result, never a CHECK.
#pragma once

#include <string>

#include <fmt/format.h>

namespace ashlar {

// Prints `file:line: CHECK failed: message` to stderr and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const std::string& message);
[[noreturn]] void CheckFailed(const char* file, int line, const char* message);  // what CHECK calls

namespace internal {
template <class T>
std::string CheckValue(const T& value) {
  if constexpr (fmt::is_formattable<T>::value) {
    return fmt::format("{}", value);
  } else {
    return "?";
  }
}
}  // namespace internal

}  // namespace ashlar

#define CHECK(condition)                                     \
  do {                                                       \
    if (!(condition)) [[unlikely]] {                         \
      ::ashlar::CheckFailed(__FILE__, __LINE__, #condition); \
    }                                                        \
  } while (false)

#define ASHLAR_CHECK_OP(a, op, b)                                                   \
  do {                                                                              \
    const auto& check_a = (a);                                                      \
    const auto& check_b = (b);                                                      \
    if (!(check_a op check_b)) [[unlikely]] {                                       \
      ::ashlar::CheckFailed(__FILE__, __LINE__,                                     \
                            std::string(#a " " #op " " #b " (") +                   \
                                ::ashlar::internal::CheckValue(check_a) + " and " + \
                                ::ashlar::internal::CheckValue(check_b) + ")");     \
    }                                                                               \
  } while (false)

#define CHECK_EQ(a, b) ASHLAR_CHECK_OP(a, ==, b)
#define CHECK_NE(a, b) ASHLAR_CHECK_OP(a, !=, b)
#define CHECK_LE(a, b) ASHLAR_CHECK_OP(a, <=, b)
#define CHECK_LT(a, b) ASHLAR_CHECK_OP(a, <, b)
#define CHECK_GE(a, b) ASHLAR_CHECK_OP(a, >=, b)
#define CHECK_GT(a, b) ASHLAR_CHECK_OP(a, >, b)

// Inner loops: checked in builds without NDEBUG only.
#ifdef NDEBUG
#define DCHECK(condition) \
  do {                    \
  } while (false)
#else
#define DCHECK(condition) CHECK(condition)
#endif
