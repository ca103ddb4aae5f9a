// Random numbers for weights in tests. The standard library's distributions take a tenth of a
// microsecond a number where nothing is optimised, and half of one under a sanitizer: most of what
// a test of a small network would take.
#pragma once

#include <cstdint>

namespace ashlar {

class TestFloats {
 public:
  explicit TestFloats(std::uint64_t seed) : state_(seed * 2 + 1) {}

  // Uniform, with this mean and standard deviation.
  float Next(float mean, float deviation) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX
    const auto high = static_cast<std::int32_t>(state_ >> 32);
    return mean + static_cast<float>(high) * (deviation * (1.7320508f / 2147483648.0f));
  }

 private:
  std::uint64_t state_;
};

}  // namespace ashlar
