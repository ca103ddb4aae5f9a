#include "ashlar/codec/q8/q8.h"

#include <cmath>

#include "ashlar/codec/internal/tiled_codec.h"
#include "ashlar/codec/q8/layout.h"

namespace ashlar {
namespace {

// The quantizer of GGUF's Q8_0, to the bit where that one is defined: the integers are rounded
// with the f32 scale, and the f16 nearest to it is stored.
struct Q8Tile : Q8Layout {
  static constexpr int kBytes = kTileBytes;
  static constexpr std::uint8_t kZero = kBias;

  static std::uint16_t Quantize(const float* x, std::uint8_t* codes) {
    float largest = 0;
    for (int i = 0; i < kInputs; ++i) {
      largest = std::max(largest, std::fabs(x[i]));
    }
    const float scale = std::min(largest / 127.0f, internal::kMaxScale);
    float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    if (std::isinf(inverse)) {  // a subnormal scale: the group is 0 in f16 anyway
      inverse = 0;
    }
    for (int i = 0; i < kInputs; ++i) {
      const float q = std::clamp(std::round(x[i] * inverse), -127.0f, 127.0f);
      codes[i] = static_cast<std::uint8_t>(static_cast<int>(q) + kBias);
    }
    return F32ToF16(scale);
  }
  static float Value(std::uint8_t code) { return static_cast<float>(code - kBias); }

  static std::byte* At(std::byte* tile, int output, int input) {
    return tile + kScaleBytes + (input / 4) * kQuadBytes + 4 * output + input % 4;
  }
  static void Put(std::byte* tile, int output, int input, std::uint8_t code) {
    *At(tile, output, input) = std::byte{code};
  }
  static std::uint8_t Get(const std::byte* tile, int output, int input) {
    return static_cast<std::uint8_t>(*At(const_cast<std::byte*>(tile), output, input));
  }
};

using Tiled = internal::TiledCodec<Q8Tile>;

}  // namespace

constinit const Codec kQ8{
    .name = "q8.1",
    .short_name = "q8",
    .row_unit = Q8Layout::kOutputs,
    .column_unit = Q8Layout::kInputs,
    .vectors = false,
    .bits_per_weight = 8.5f,
    // A uniform error of one step: (largest of 32 normals, some 2.2) / 127 / sqrt(12).
    .max_rms_error = 0.006f,
    .band_bytes = Tiled::BandBytes,
    .encode = Tiled::Encode,
    .decode = Tiled::Decode,
    .check = Tiled::Check,
};

}  // namespace ashlar
