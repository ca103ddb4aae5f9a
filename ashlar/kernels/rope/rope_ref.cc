#include "ashlar/kernels/rope/rope.h"

namespace ashlar::reference {

void Rope(float* x, std::int64_t heads, std::int64_t head_dim, std::int64_t rotary,
          const float* cos, const float* sin) noexcept {
  const std::int64_t half = rotary / 2;
  for (std::int64_t head = 0; head < heads; ++head) {
    float* first = x + head * head_dim;
    float* second = first + half;
    for (std::int64_t i = 0; i < half; ++i) {
      const double a = first[i];
      const double b = second[i];
      first[i] = static_cast<float>(a * cos[i] - b * sin[i]);
      second[i] = static_cast<float>(b * cos[i] + a * sin[i]);
    }
  }
}

void RopeNeighbours(float* x, std::int64_t heads, std::int64_t head_dim, std::int64_t rotary,
                    const float* cos, const float* sin) noexcept {
  for (std::int64_t head = 0; head < heads; ++head) {
    float* pair = x + head * head_dim;
    for (std::int64_t i = 0; i < rotary / 2; ++i, pair += 2) {
      const double a = pair[0];
      const double b = pair[1];
      pair[0] = static_cast<float>(a * cos[i] - b * sin[i]);
      pair[1] = static_cast<float>(b * cos[i] + a * sin[i]);
    }
  }
}

}  // namespace ashlar::reference
