// Random numbers for weights in tests, and how far such numbers are from others. The standard
// library's distributions take a tenth of a microsecond a number where nothing is optimised, and
// half of one under a sanitizer: most of what a test of a small network would take.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

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

// The root of the mean squared error over the root of the mean square. Requires: equal sizes.
inline double RelativeError(std::span<const float> values, std::span<const float> found) {
  double error = 0;
  double power = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    error += std::pow(static_cast<double>(values[i]) - found[i], 2);
    power += std::pow(static_cast<double>(values[i]), 2);
  }
  return std::sqrt(error / power);
}

}  // namespace ashlar
