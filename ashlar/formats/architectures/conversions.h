// What a number of config.json means, where an attribute wants another form of it.
#pragma once

#include <cmath>

namespace ashlar {

inline double Inverse(double x) {
  return 1 / x;
}
inline double Root(double x) {
  return std::sqrt(x);
}
inline double InverseRoot(double x) {
  return 1 / std::sqrt(x);
}

}  // namespace ashlar
