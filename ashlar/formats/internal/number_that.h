// Finds the number that a person would have written for a value which was computed from it.
#pragma once

#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

namespace ashlar::internal {

// The number near `guess` that `fits`, with the fewest digits; `guess` when none does.
template <class Fits>
double NumberThat(double guess, const Fits& fits) {
  constexpr int kMostDigits = 17;  // that a double needs
  for (int digits = 1; digits <= kMostDigits; ++digits) {
    const double number = std::strtod(fmt::format("{:.{}g}", guess, digits).c_str(), nullptr);
    if (fits(number)) {
      return number;
    }
  }
  double below = guess;
  double above = guess;
  constexpr int kRoundings = 8;
  for (int i = 0; i < kRoundings; ++i) {
    below = std::nextafter(below, -INFINITY);
    above = std::nextafter(above, INFINITY);
    if (fits(below) || fits(above)) {
      return fits(below) ? below : above;
    }
  }
  return guess;
}

}  // namespace ashlar::internal
