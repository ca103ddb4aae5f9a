#include "ashlar/codec/q4/q4.h"

#include <cmath>

#include "ashlar/codec/internal/tiled_codec.h"
#include "ashlar/codec/q4/layout.h"

namespace ashlar {
namespace {

// The quantizer of GGUF's Q4_0, to the bit where that one is defined: the number of the largest
// magnitude becomes -8 exactly, so the scale has the opposite sign of that number; the integers
// are rounded with the f32 scale, and the f16 nearest to it is stored.
struct Q4Tile : Q4Layout {
  static constexpr int kBytes = kTileBytes;
  static constexpr std::uint8_t kZero = kBias;

  static std::uint16_t Quantize(const float* x, std::uint8_t* codes) {
    float largest = 0;  // with its sign; of equal magnitudes, the first
    for (int i = 0; i < kInputs; ++i) {
      if (std::fabs(x[i]) > std::fabs(largest)) {
        largest = x[i];
      }
    }
    const float scale = std::clamp(largest / -8.0f, -internal::kMaxScale, internal::kMaxScale);
    float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    if (std::isinf(inverse)) {  // a subnormal scale: the group is 0 in f16 anyway
      inverse = 0;
    }
    for (int i = 0; i < kInputs; ++i) {
      const float shifted = x[i] * inverse + 8.5f;  // truncating it rounds the quotient
      codes[i] = static_cast<std::uint8_t>(std::clamp(shifted, 0.0f, 15.0f));
    }
    return F32ToF16(scale);
  }
  static float Value(std::uint8_t code) { return static_cast<float>(code - kBias); }

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
