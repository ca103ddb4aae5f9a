#include <algorithm>
#include <cmath>

#include "ashlar/base/check.h"
#include "ashlar/calibrate/shrink.h"

namespace ashlar {
namespace {

// Below these a loss or an error is none: ratios of them mean nothing.
constexpr double kNoLoss = 1e-12;
constexpr double kNoError = 1e-30;

}  // namespace

int LevelsWithin(const Codec& codec, const Shape& shape, int max_bits) {
  const auto weights = static_cast<double>(shape[1]) * codec.row_unit;
  int levels = 0;
  long bits = 0;
  while (levels < codec.levels()) {
    bits += std::lround(8 * static_cast<double>(codec.residual->band_bytes(levels, shape[1])) /
                        weights);
    if (levels > 0 && bits > max_bits) {
      break;
    }
    ++levels;
  }
  return levels;
}

std::vector<double> LossesFrom(const std::vector<double>& errors,
                               const std::vector<std::pair<int, double>>& measured) {
  CHECK(!measured.empty());
  const auto error_at = [&](int level) {
    return std::max(errors[static_cast<std::size_t>(level)], kNoError);
  };
  std::vector<double> losses;
  for (int level = 0; level < static_cast<int>(errors.size()); ++level) {
    const auto after =
        std::ranges::find_if(measured, [&](const auto& point) { return point.first >= level; });
    double loss = 0;
    if (after != measured.end() && after->first == level) {
      loss = after->second;
    } else if (after == measured.end() || after == measured.begin()) {
      const auto& nearest = after == measured.end() ? measured.back() : measured.front();
      loss = nearest.second * error_at(level) / error_at(nearest.first);
    } else {
      const auto& before = *std::prev(after);
      const double from = std::log(std::max(before.second, kNoLoss));
      const double to = std::log(std::max(after->second, kNoLoss));
      const double whole = std::log(error_at(after->first)) - std::log(error_at(before.first));
      const double part = std::log(error_at(level)) - std::log(error_at(before.first));
      loss = std::exp(whole == 0 ? from : from + (to - from) * std::clamp(part / whole, 0.0, 1.0));
    }
    losses.push_back(losses.empty() ? loss : std::min(loss, losses.back()));
  }
  return losses;
}

}  // namespace ashlar
