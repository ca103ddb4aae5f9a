#include "ashlar/codec/q4/q4.h"

#include <algorithm>
#include <cmath>

#include "ashlar/codec/internal/tiled_codec.h"
#include "ashlar/codec/q4/layout.h"

namespace ashlar {
namespace {

// A group's integers and scale, near the least sum of squared errors: the integers for a given
// scale are rounded, the scale for given integers is their regression, and the search begins from
// several places for the number of the largest magnitude. (GGUF's Q4_0 knows one place, -8, and no
// regression: of the excess that it leaves in a network's perplexity, this takes a sixth.)
struct Q4Tile : Q4Layout {
  static constexpr int kBytes = kTileBytes;
  static constexpr std::uint8_t kZero = kBias;

  static std::uint16_t Quantize(const float* numbers, std::uint8_t* codes) {
    constexpr float kMost = 8 * internal::kMaxScale;  // of what a scale in f16 reaches
    float x[kInputs];
    float largest = 0;  // with its sign; of equal magnitudes, the first
    for (int i = 0; i < kInputs; ++i) {
      x[i] = std::clamp(numbers[i], -kMost, kMost);
      if (std::fabs(x[i]) > std::fabs(largest)) {
        largest = x[i];
      }
    }
    const float scale = largest / -8.0f;
    float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    if (std::isinf(inverse)) {  // a subnormal scale: the group is 0 in f16 anyway
      inverse = 0;
    }
    Fit best;
    Round(x, inverse, best);
    best.scale = F32ToF16(scale);
    Measure(x, best);
    if (inverse != 0) {
      for (const float place : kPlaces) {
        Fit fit;
        Round(x, place / largest, fit);
        fit.scale = F32ToF16(Regression(x, fit));
        Measure(x, fit);
        if (fit.error < best.error) {
          best = fit;
        }
      }
    }
    for (int i = 0; i < kInputs; ++i) {
      codes[i] = static_cast<std::uint8_t>(best.q[i] + kBias);
    }
    return best.scale;
  }
  static float Value(std::uint8_t code) { return static_cast<float>(code - kBias); }

  // Where the search puts the largest number: a little inside of the range, where the others have
  // finer steps and it is clamped, to a little outside, where its sign's opposite has room.
  static constexpr float kPlaces[] = {-9.8f, -9.5f, -9.2f, -8.9f, -8.6f, -8.3f, -8.0f,
                                      -7.7f, -7.4f, -7.1f, -6.8f, -6.5f, -6.2f};

  struct Fit {
    float q[kInputs];  // integers in [-8, 7]
    std::uint16_t scale = 0;
    float error = 0;  // sum of squares
  };
  // Requires: |x * inverse| below 2^30.
  static void Round(const float* x, float inverse, Fit& fit) {
    for (int i = 0; i < kInputs; ++i) {
      int code = static_cast<int>(x[i] * inverse + 8.5f);  // truncating rounds the quotient
      code = code < 0 ? 0 : code;
      code = code > 15 ? 15 : code;
      fit.q[i] = static_cast<float>(code - kBias);
    }
  }
  // Sums are kept in lanes of eight, which the compiler turns into vectors.
  using Lanes = float[8];
  static float Sum(const Lanes& lanes) {
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
           ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
  }
  static float Regression(const float* x, const Fit& fit) {
    Lanes xq = {};
    Lanes qq = {};
    for (int i = 0; i < kInputs; i += 8) {
      for (int l = 0; l < 8; ++l) {
        xq[l] += fit.q[i + l] * x[i + l];
        qq[l] += fit.q[i + l] * fit.q[i + l];
      }
    }
    const float squares = Sum(qq);
    const float scale = squares != 0 ? Sum(xq) / squares : 0;
    return std::clamp(scale, -internal::kMaxScale, internal::kMaxScale);
  }
  static void Measure(const float* x, Fit& fit) {
    const float scale = F16ToF32(fit.scale);
    Lanes error = {};
    for (int i = 0; i < kInputs; i += 8) {
      for (int l = 0; l < 8; ++l) {
        const float missed = scale * fit.q[i + l] - x[i + l];
        error[l] += missed * missed;
      }
    }
    fit.error = Sum(error);
  }

  static int Offset(int output, int input) {
    return kScaleBytes + (input / 4) * kQuadBytes + 4 * (output % 16) + input % 4;
  }
  static int Shift(int output) { return output < 16 ? 0 : 4; }

  // Requires: the nibble is still 0.
  static void Put(std::byte* tile, int output, int input, std::uint8_t code) {
    tile[Offset(output, input)] |= std::byte{code} << Shift(output);
  }
  static std::uint8_t Get(const std::byte* tile, int output, int input) {
    const std::byte both = tile[Offset(output, input)];
    return static_cast<std::uint8_t>(both >> Shift(output) & std::byte{15});
  }
};

using Tiled = internal::TiledCodec<Q4Tile>;

}  // namespace

constinit const Codec kQ4{
    .name = "q4.1",
    .short_name = "q4",
    .row_unit = Q4Layout::kOutputs,
    .column_unit = Q4Layout::kInputs,
    .vectors = false,
    .bits_per_weight = 4.5f,
    // A uniform error of one step, (largest of 32 normals, some 2.2) / 8 / sqrt(12), and a little
    // for numbers beyond +7 steps.
    .max_rms_error = 0.09f,
    .band_bytes = Tiled::BandBytes,
    .encode = Tiled::Encode,
    .decode = Tiled::Decode,
    .check = Tiled::Check,
};

}  // namespace ashlar
