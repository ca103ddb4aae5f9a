#include "ashlar/codec/gguf/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "ashlar/codec/gguf/line_search.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar::internal {
namespace {

constexpr float kLargestF16 = 65504;
constexpr int kRounds = 2;

void PutF16(float value, std::byte* to) {
  const std::uint16_t bits = F32ToF16(std::clamp(value, -kLargestF16, kLargestF16));
  std::memcpy(to, &bits, sizeof bits);
}
float AsF16(float value) {
  return F16ToF32(F32ToF16(std::clamp(value, -kLargestF16, kLargestF16)));
}

template <int kCount>
void Cut(const float* values, float most, float (&x)[kCount]) {
  for (int i = 0; i < kCount; ++i) {
    x[i] = std::clamp(values[i], -most, most);
  }
}

void Put(std::byte& to, int bits, int shift) {
  to |= std::byte{static_cast<unsigned char>(bits << shift)};
}

// The integer nearest to value / unit, from `least` to `most`; 0 when there is no unit.
int InUnits(float value, float unit, int least, int most) {
  if (unit == 0) {
    return 0;
  }
  const float at = std::clamp(value / unit, static_cast<float>(least), static_cast<float>(most));
  return static_cast<int>(std::lround(at));
}

// ---- Q4_K

constexpr int kGroups = 8;
constexpr int kGroupInputs = kLineInputs;
constexpr int kMostCode = 15;
constexpr int kMostScale = 63;  // of 6 bits

struct Q4KFit {
  float scale = 0;    // the block's, as f16 has it
  float minimum = 0;  // likewise
  int scales[kGroups] = {};
  int minima[kGroups] = {};
  float error = 0;

  CodeLine LineOf(int group) const {
    return {.scale = scale * static_cast<float>(scales[group]),
            .offset = -minimum * static_cast<float>(minima[group])};
  }
};

// The integers near `lines` that err least with the fit's units.
void ChooseIntegers(const float* x, const CodeLine* lines, Q4KFit& fit) {
  fit.error = 0;
  for (int g = 0; g < kGroups; ++g) {
    const int scale = InUnits(lines[g].scale, fit.scale, 0, kMostScale);
    const int minimum = InUnits(-lines[g].offset, fit.minimum, 0, kMostScale);
    float least = INFINITY;
    int best[2] = {scale, minimum};
    for (int s = std::max(scale - 1, 0); s <= std::min(scale + 1, kMostScale); ++s) {
      for (int m = std::max(minimum - 1, 0); m <= std::min(minimum + 1, kMostScale); ++m) {
        fit.scales[g] = s;
        fit.minima[g] = m;
        const float error = LineError(x + g * kGroupInputs, kMostCode, fit.LineOf(g));
        if (error < least) {
          least = error;
          best[0] = s;
          best[1] = m;
        }
      }
    }
    fit.scales[g] = best[0];
    fit.minima[g] = best[1];
    fit.error += least;
  }
}

// The units of least squares for the fit's integers and codes.
void RegressUnits(const float* x, Q4KFit& fit) {
  double aa = 0;
  double ab = 0;
  double bb = 0;
  double ax = 0;
  double bx = 0;
  for (int g = 0; g < kGroups; ++g) {
    const CodeLine line = fit.LineOf(g);
    const double b = -fit.minima[g];
    for (int i = 0; i < kGroupInputs; ++i) {
      const double value = static_cast<double>(x[g * kGroupInputs + i]);
      const double a = fit.scales[g] * CodeOnLine(line, x[g * kGroupInputs + i], kMostCode);
      aa += a * a;
      ab += a * b;
      bb += b * b;
      ax += a * value;
      bx += b * value;
    }
  }
  const double determinant = aa * bb - ab * ab;
  if (determinant > 0) {
    fit.scale = AsF16(static_cast<float>((ax * bb - bx * ab) / determinant));
    fit.minimum = AsF16(static_cast<float>((bx * aa - ax * ab) / determinant));
  } else if (aa > 0) {
    fit.scale = AsF16(static_cast<float>(ax / aa));
  }
}

Q4KFit FitQ4K(const float* x) {
  CodeLine lines[kGroups];
  float scale = 0;
  float minimum = 0;
  for (int g = 0; g < kGroups; ++g) {
    lines[g] = SearchLine(x + g * kGroupInputs, kMostCode, Offsets::kNotAboveZero);
    scale = std::max(scale, lines[g].scale);
    minimum = std::max(minimum, -lines[g].offset);
  }
  Q4KFit fit{.scale = AsF16(scale / kMostScale), .minimum = AsF16(minimum / kMostScale)};
  ChooseIntegers(x, lines, fit);
  Q4KFit best = fit;
  for (int round = 0; round < kRounds; ++round) {
    RegressUnits(x, fit);
    if (fit.scale < 0 || fit.minimum < 0) {
      break;
    }
    ChooseIntegers(x, lines, fit);
    if (fit.error < best.error) {
      best = fit;
    }
  }
  return best;
}

// ---- Q6_K

constexpr int kQ6Groups = 16;
constexpr int kQ6Inputs = kScaleInputs;
constexpr int kLeastCode = -32;

struct Q6KFit {
  float scale = 0;  // the block's, as f16 has it
  int scales[kQ6Groups] = {};
  float error = 0;

  float ScaleOf(int group) const { return scale * static_cast<float>(scales[group]); }
};

void ChooseIntegers(const float* x, const float* scales, Q6KFit& fit) {
  constexpr int kLeast = -128;
  constexpr int kMost = 127;
  fit.error = 0;
  for (int g = 0; g < kQ6Groups; ++g) {
    const int near = InUnits(scales[g], fit.scale, kLeast, kMost);
    float least = INFINITY;
    int best = near;
    for (int s = std::max(near - 1, kLeast); s <= std::min(near + 1, kMost); ++s) {
      fit.scales[g] = s;
      const float error = ScaleError(x + g * kQ6Inputs, kLeastCode, fit.ScaleOf(g));
      if (error < least) {
        least = error;
        best = s;
      }
    }
    fit.scales[g] = best;
    fit.error += least;
  }
}

void RegressUnit(const float* x, Q6KFit& fit) {
  double aa = 0;
  double ax = 0;
  for (int g = 0; g < kQ6Groups; ++g) {
    for (int i = 0; i < kQ6Inputs; ++i) {
      const float value = x[g * kQ6Inputs + i];
      const double a = fit.scales[g] * CodeOfScale(fit.ScaleOf(g), value, kLeastCode);
      aa += a * a;
      ax += a * static_cast<double>(value);
    }
  }
  if (aa > 0) {
    fit.scale = AsF16(static_cast<float>(ax / aa));
  }
}

Q6KFit FitQ6K(const float* x) {
  float scales[kQ6Groups];
  float largest = 0;
  for (int g = 0; g < kQ6Groups; ++g) {
    scales[g] = SearchScale(x + g * kQ6Inputs, kLeastCode);
    largest = std::max(largest, std::fabs(scales[g]));
  }
  Q6KFit fit{.scale = AsF16(largest / 127)};
  ChooseIntegers(x, scales, fit);
  Q6KFit best = fit;
  for (int round = 0; round < kRounds; ++round) {
    RegressUnit(x, fit);
    ChooseIntegers(x, scales, fit);
    if (fit.error < best.error) {
      best = fit;
    }
  }
  return best;
}

}  // namespace

void EncodeQ4_1(const float* values, std::byte* block) {
  constexpr int kCount = kLineInputs;
  float x[kCount];
  Cut(values, kLargestF16 / 2, x);
  CodeLine line = SearchLine(x, kMostCode, Offsets::kAny);
  PutF16(line.scale, block);
  PutF16(line.offset, block + 2);
  line = {.scale = AsF16(line.scale), .offset = AsF16(line.offset)};
  std::fill_n(block + 4, kCount / 2, std::byte{0});
  for (int i = 0; i < kCount; ++i) {
    Put(block[4 + i % 16], CodeOnLine(line, x[i], kMostCode), i < 16 ? 0 : 4);
  }
}

void EncodeQ4K(const float* values, std::byte* block) {
  constexpr int kCount = kGroups * kGroupInputs;
  float x[kCount];
  Cut(values, kMostScale * kLargestF16 / 2, x);
  const Q4KFit fit = FitQ4K(x);
  PutF16(fit.scale, block);
  PutF16(fit.minimum, block + 2);
  std::fill_n(block + 4, 140, std::byte{0});
  std::byte* const scales = block + 4;
  for (int g = 0; g < kGroups; ++g) {
    if (g < 4) {
      Put(scales[g], fit.scales[g], 0);
      Put(scales[g + 4], fit.minima[g], 0);
    } else {
      Put(scales[g + 4], (fit.scales[g] & 15) | (fit.minima[g] & 15) << 4, 0);
      Put(scales[g - 4], fit.scales[g] >> 4, 6);
      Put(scales[g], fit.minima[g] >> 4, 6);
    }
  }
  for (int i = 0; i < kCount; ++i) {
    const int code = CodeOnLine(fit.LineOf(i / kGroupInputs), x[i], kMostCode);
    Put(block[16 + i / 64 * 32 + i % 32], code, 4 * (i / 32 % 2));
  }
}

void EncodeQ6K(const float* values, std::byte* block) {
  constexpr int kCount = kQ6Groups * kQ6Inputs;
  float x[kCount];
  Cut(values, 127 * 31 * kLargestF16, x);
  const Q6KFit fit = FitQ6K(x);
  std::fill_n(block, 208, std::byte{0});
  PutF16(fit.scale, block + 208);
  for (int g = 0; g < kQ6Groups; ++g) {
    block[192 + g] = std::byte{static_cast<unsigned char>(fit.scales[g])};
  }
  for (int i = 0; i < kCount; ++i) {
    const int code = CodeOfScale(fit.ScaleOf(i / kQ6Inputs), x[i], kLeastCode) - kLeastCode;
    Put(block[i / 128 * 64 + i % 64], code & 15, 4 * (i / 64 % 2));
    Put(block[128 + i / 128 * 32 + i % 32], code >> 4, 2 * (i / 32 % 4));
  }
}

}  // namespace ashlar::internal
