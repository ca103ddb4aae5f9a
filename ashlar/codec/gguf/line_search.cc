#include "ashlar/codec/gguf/line_search.h"

#include <algorithm>
#include <cmath>

namespace ashlar::internal {
namespace {

// Codes that the range of the numbers is spread over, beyond `most`.
constexpr float kLineSpreads[] = {-0.9f, -0.6f, -0.3f, 0, 0.3f, 0.6f, 0.9f, 1.2f, 1.6f};
// Where the number of the largest magnitude is put, in parts of the least code.
constexpr float kScalePlaces[] = {0.90f, 0.93f, 0.96f, 0.98f, 1.0f, 1.015f, 1.03f, 1.06f, 1.1f};
constexpr int kRegressions = 2;

// Sums are kept in lanes of eight, which the compiler turns into vectors.
constexpr int kLanes = 8;
struct LaneSum {
  float lanes[kLanes] = {};
  float Total() const {
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
           ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
  }
};

// 0 for a scale whose inverse is no number: all codes are then the one of the offset.
float InverseOf(float scale) {
  const float inverse = scale != 0 ? 1 / scale : 0;
  return std::isinf(inverse) ? 0 : inverse;
}

// The code nearest to `at`, in [0, most]; truncating rounds it.
inline float Nearest(float at, float most) {
  at += 0.5f;
  at = at < 0 ? 0 : at;
  at = at > most ? most : at;
  return static_cast<float>(static_cast<int>(at));
}

// The line of least squares through the numbers and the codes that `line` gives them.
CodeLine RegressLine(const float* x, int most, Offsets offsets, const CodeLine& line) {
  const float inverse = InverseOf(line.scale);
  const auto largest = static_cast<float>(most);
  LaneSum q_lanes;
  LaneSum qq_lanes;
  LaneSum x_lanes;
  LaneSum xq_lanes;
  for (int i = 0; i < kLineInputs; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float value = x[i + l];
      const float q = Nearest((value - line.offset) * inverse, largest);
      q_lanes.lanes[l] += q;
      qq_lanes.lanes[l] += q * q;
      x_lanes.lanes[l] += value;
      xq_lanes.lanes[l] += value * q;
    }
  }
  const float q_sum = q_lanes.Total();
  const float qq_sum = qq_lanes.Total();
  const float x_sum = x_lanes.Total();
  const float xq_sum = xq_lanes.Total();
  const float determinant = kLineInputs * qq_sum - q_sum * q_sum;
  CodeLine fit = line;
  if (determinant > 0) {
    fit.scale = (kLineInputs * xq_sum - q_sum * x_sum) / determinant;
    fit.offset = (x_sum - fit.scale * q_sum) / kLineInputs;
  }
  if (offsets == Offsets::kNotAboveZero && fit.offset > 0) {
    fit = {.scale = qq_sum > 0 ? xq_sum / qq_sum : 0, .offset = 0};
  }
  return fit;
}

float RegressScale(const float* x, int least, float scale) {
  const float inverse = InverseOf(scale);
  const auto low = static_cast<float>(least);
  LaneSum qq_lanes;
  LaneSum xq_lanes;
  for (int i = 0; i < kScaleInputs; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float q = Nearest(x[i + l] * inverse - low, -2 * low - 1) + low;
      qq_lanes.lanes[l] += q * q;
      xq_lanes.lanes[l] += x[i + l] * q;
    }
  }
  const float qq_sum = qq_lanes.Total();
  return qq_sum > 0 ? xq_lanes.Total() / qq_sum : scale;
}

}  // namespace

int CodeOnLine(const CodeLine& line, float x, int most) {
  return static_cast<int>(
      Nearest((x - line.offset) * InverseOf(line.scale), static_cast<float>(most)));
}

float LineError(const float* x, int most, const CodeLine& line) {
  const float inverse = InverseOf(line.scale);
  const auto largest = static_cast<float>(most);
  LaneSum error;
  for (int i = 0; i < kLineInputs; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float q = Nearest((x[i + l] - line.offset) * inverse, largest);
      const float missed = line.scale * q + line.offset - x[i + l];
      error.lanes[l] += missed * missed;
    }
  }
  return error.Total();
}

CodeLine SearchLine(const float* x, int most, Offsets offsets) {
  const auto [least, largest] = std::minmax_element(x, x + kLineInputs);
  const float low = offsets == Offsets::kAny ? *least : std::min(*least, 0.0f);
  const float range = *largest - low;
  CodeLine best = {.scale = 0, .offset = low};
  if (!(range > 0) || std::isinf(static_cast<float>(most) / range)) {
    return best;
  }
  best.scale = range / static_cast<float>(most);
  float error = LineError(x, most, best);
  for (const float spread : kLineSpreads) {
    CodeLine line = {.scale = range / (static_cast<float>(most) + spread), .offset = low};
    // (Half of what is cut, is cut at each end.)
    line.offset += (range - line.scale * static_cast<float>(most)) / 2;
    if (offsets == Offsets::kNotAboveZero) {
      line.offset = std::min(line.offset, 0.0f);
    }
    for (int i = 0; i < kRegressions; ++i) {
      line = RegressLine(x, most, offsets, line);
      if (!(line.scale > 0)) {
        break;
      }
      const float own = LineError(x, most, line);
      if (own < error) {
        error = own;
        best = line;
      }
    }
  }
  return best;
}

int CodeOfScale(float scale, float x, int least) {
  const auto low = static_cast<float>(least);
  return static_cast<int>(Nearest(x * InverseOf(scale) - low, -2 * low - 1)) + least;
}

float ScaleError(const float* x, int least, float scale) {
  const float inverse = InverseOf(scale);
  const auto low = static_cast<float>(least);
  LaneSum error;
  for (int i = 0; i < kScaleInputs; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float q = Nearest(x[i + l] * inverse - low, -2 * low - 1) + low;
      const float missed = scale * q - x[i + l];
      error.lanes[l] += missed * missed;
    }
  }
  return error.Total();
}

float SearchScale(const float* x, int least) {
  const float* const largest = std::max_element(
      x, x + kScaleInputs, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
  float best = *largest / static_cast<float>(least);
  if (InverseOf(best) == 0) {
    return 0;
  }
  float error = ScaleError(x, least, best);
  for (const float place : kScalePlaces) {
    float scale = *largest / (place * static_cast<float>(least));
    for (int i = 0; i < kRegressions; ++i) {
      scale = RegressScale(x, least, scale);
      const float own = ScaleError(x, least, scale);
      if (own < error) {
        error = own;
        best = scale;
      }
    }
  }
  return best;
}

}  // namespace ashlar::internal
