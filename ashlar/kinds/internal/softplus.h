// softplus(x) = log(1 + exp(x)), which is x to the last bit of f32 from 20 on.
#pragma once

#include <cmath>

namespace ashlar::internal {

inline float Softplus(float x) {
  return x > 20 ? x : std::log1p(std::exp(x));
}

}  // namespace ashlar::internal
