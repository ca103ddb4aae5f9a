#include "ashlar/calibrate/quantize/bitplane_lanes.h"

namespace ashlar {

ASHLAR_LANE_CODE
void AddShare(float share, const float* from, float* to) {
  ASHLAR_LANES
  for (int i = 0; i < kPrefixLanes; ++i) {
    to[i] += share * from[i];
  }
}

ASHLAR_LANE_CODE
void ValuesOf(const std::uint8_t* codes, int planes, const float* units, float* values) {
  const int shift = 8 - planes;
  const float half = static_cast<float>(1 << (planes - 1));
  const float step = 1.0f / half;
  const float middle = 0.5f - half;
  ASHLAR_LANES
  for (int lane = 0; lane < kLanes; ++lane) {
    values[lane] = units[lane] * ((static_cast<float>(codes[lane] >> shift) + middle) * step);
  }
}

ASHLAR_LANE_CODE
void AddProducts(double weight, const float* a, const float* b, double* sums) {
  ASHLAR_LANES
  for (int lane = 0; lane < kLanes; ++lane) {
    sums[lane] += weight * static_cast<double>(a[lane]) * static_cast<double>(b[lane]);
  }
}

ASHLAR_LANE_CODE
void SetTargets(const float* weights, const float* corrections, const Lanes& factors,
                const float* units, Lanes& targets) {
  ASHLAR_LANES
  for (int lane = 0; lane < kLanes; ++lane) {
    targets[lane] = (weights[lane] + corrections[lane]) / (factors[lane] * units[lane]);
  }
}

ASHLAR_LANE_CODE
void SetErrors(const float* weights, const Lanes& factors, const Lanes& values, float* errors) {
  ASHLAR_LANES
  for (int lane = 0; lane < kLanes; ++lane) {
    errors[lane] = weights[lane] - factors[lane] * values[lane];
  }
}

ASHLAR_LANE_CODE
void TakeBack(const float* slopes, float inverse, const float* errors, float* corrections) {
  ASHLAR_LANES
  for (int i = 0; i < kPrefixLanes; ++i) {
    corrections[i] = slopes[i] * inverse - errors[i];
  }
}

ASHLAR_LANE_CODE
void ToChange(const float* now, float* change) {
  ASHLAR_LANES
  for (int i = 0; i < kPrefixLanes; ++i) {
    change[i] = now[i] - change[i];
  }
}

ASHLAR_LANE_CODE
void AddRoundingCost(float weight, const float* weights, const Lanes& inverse, int planes,
                     Lanes& cost) {
  const float steps = static_cast<float>(1 << (planes - 1));
  const float step = 1.0f / steps;
  ASHLAR_LANES
  for (int lane = 0; lane < kLanes; ++lane) {
    const float at = weights[lane] * inverse[lane] * steps + (steps - 0.5f);
    float code = at < 0 ? 0 : at;
    code = code > 2 * steps - 1 ? 2 * steps - 1 : code;
    code = (code + 8388608.0f) - 8388608.0f;  // to a whole number
    const float error = (at - code) * step;
    cost[lane] += weight * error * error;
  }
}

ASHLAR_LANE_CODE
void AddSeenErrors(double weight, const float* errors, const float* corrections,
                   const float* values, double* error_error, double* value_error) {
  for (int prefix = 0; prefix < kPrefixes; ++prefix) {
    ASHLAR_LANES
    for (int lane = 0; lane < kLanes; ++lane) {
      const int i = prefix * kLanes + lane;
      const double seen = static_cast<double>(errors[i]) + static_cast<double>(corrections[i]);
      error_error[i] += weight * seen * seen;
      value_error[i] += weight * seen * static_cast<double>(values[lane]);
    }
  }
}

}  // namespace ashlar
