// Arithmetic on numbers that came from outside. A size, count or offset out of a file is never
// added or multiplied with a bare operator: each of these says whether the result fits.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>

namespace ashlar {

// a + b and a * b, or nothing when the result does not fit.
template <std::unsigned_integral T>
[[nodiscard]] constexpr std::optional<T> CheckedAdd(T a, T b) {
  T sum;
  if (__builtin_add_overflow(a, b, &sum)) {
    return std::nullopt;
  }
  return sum;
}

template <std::unsigned_integral T>
[[nodiscard]] constexpr std::optional<T> CheckedMul(T a, T b) {
  T product;
  if (__builtin_mul_overflow(a, b, &product)) {
    return std::nullopt;
  }
  return product;
}

// The product of all factors, or nothing when it does not fit in 64 bits.
[[nodiscard]] constexpr std::optional<std::uint64_t> CheckedProduct(
    std::initializer_list<std::uint64_t> factors) {
  std::uint64_t product = 1;
  for (const std::uint64_t factor : factors) {
    if (__builtin_mul_overflow(product, factor, &product)) {
      return std::nullopt;
    }
  }
  return product;
}

// Whether [offset, offset + length) lies inside [0, size).
[[nodiscard]] constexpr bool RangeFits(std::uint64_t offset, std::uint64_t length,
                                       std::uint64_t size) {
  return offset <= size && length <= size - offset;
}

}  // namespace ashlar
