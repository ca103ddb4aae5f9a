// What a number of config.json means, where an attribute wants another form of it.
#pragma once

#include <cmath>

#include "ashlar/formats/architecture.h"

namespace ashlar {

inline constexpr Conversion kInverse{.meaning = [](double x) { return 1 / x; },
                                     .number = [](double x) { return 1 / x; }};
inline constexpr Conversion kRoot{.meaning = [](double x) { return std::sqrt(x); },
                                  .number = [](double x) { return x * x; }};
inline constexpr Conversion kInverseRoot{.meaning = [](double x) { return 1 / std::sqrt(x); },
                                         .number = [](double x) { return 1 / (x * x); }};

}  // namespace ashlar
