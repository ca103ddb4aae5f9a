// Rotary embeddings as their papers and authors write them, in doubles.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <vector>

namespace ashlar::testing {

// How positions turn queries and keys. Which fields count depends on the type, as in config.json.
struct Rope {
  std::string type = "default";
  double factor = 1;
  double original = 0;
  double low = 1, high = 4;              // llama3: turns within the original context
  double beta_fast = 32, beta_slow = 1;  // yarn: the same
  double magnitude = 1;                  // of the turned vectors
  bool neighbours = false;               // turn together, not i and i + dims / 2
  std::int64_t without = 0;              // each so many-th layer does not turn
  double theta = 10000;
};

inline double Frequency(const Rope& rope, double dims, double pair, double position) {
  const double plain = std::pow(rope.theta, -2 * pair / dims);
  const double turns = rope.original * plain / (2 * std::numbers::pi);
  if (rope.type == "linear") {
    return plain / rope.factor;
  }
  if (rope.type == "dynamic") {
    const double length = std::max(position + 1, rope.original);
    const double stretch = rope.factor * length / rope.original - (rope.factor - 1);
    return std::pow(rope.theta * std::pow(stretch, dims / (dims - 2)), -2 * pair / dims);
  }
  if (rope.type == "llama3") {
    const double keep = std::clamp((turns - rope.low) / (rope.high - rope.low), 0.0, 1.0);
    return (1 - keep) * plain / rope.factor + keep * plain;
  }
  if (rope.type == "yarn") {
    const auto pair_with = [&](double wanted) {
      return dims * std::log(rope.original / (wanted * 2 * std::numbers::pi)) /
             (2 * std::log(rope.theta));
    };
    const double first = std::max(std::floor(pair_with(rope.beta_fast)), 0.0);
    const double last = std::min(std::ceil(pair_with(rope.beta_slow)), dims - 1);
    const double stretched = std::clamp((pair - first) / (last - first), 0.0, 1.0);
    return stretched * plain / rope.factor + (1 - stretched) * plain;
  }
  return plain;
}

// One head's query or key at a position.
inline std::vector<double> Turned(const Rope& rope, const std::vector<double>& x,
                                  std::int64_t position) {
  const std::size_t half = x.size() / 2;
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < half; ++i) {
    const double angle = static_cast<double>(position) *
                         Frequency(rope, static_cast<double>(x.size()), static_cast<double>(i),
                                   static_cast<double>(position));
    const std::size_t a = rope.neighbours ? 2 * i : i;
    const std::size_t b = rope.neighbours ? 2 * i + 1 : i + half;
    y[a] = rope.magnitude * (x[a] * std::cos(angle) - x[b] * std::sin(angle));
    y[b] = rope.magnitude * (x[b] * std::cos(angle) + x[a] * std::sin(angle));
  }
  return y;
}

}  // namespace ashlar::testing
