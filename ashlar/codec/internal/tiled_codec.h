// The codecs that quantize groups of 32 inputs pack a matrix in tiles of 32 outputs x 32 inputs:
// 32 f16 scales, one per output, and then the quantized numbers. The tiles of a band of 32 outputs
// follow each other along the inputs; bands follow each other. TiledCodec is that walk; `Tile`
// says how one group is quantized and where in the tile a quantized number lies:
//
//   kBytes                                   of a tile, scales included
//   kZero                                    the code of zero, which pads the last band
//   Quantize(x, codes) -> f16 bits           x: 32 numbers; codes: 32 of them; the group's scale
//   Value(code) -> float                     in units of the scale
//   Put(tile, output, input, code), Get(tile, output, input) -> code
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ashlar/codec/codec.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar::internal {

inline constexpr int kTileOutputs = 32;
inline constexpr int kTileInputs = 32;
inline constexpr int kTileScaleBytes = 2 * kTileOutputs;

inline std::uint16_t TileScale(const std::byte* tile, int output) {
  std::uint16_t scale;
  std::memcpy(&scale, tile + 2 * output, sizeof scale);
  return scale;
}
inline void SetTileScale(std::byte* tile, int output, std::uint16_t scale) {
  std::memcpy(tile + 2 * output, &scale, sizeof scale);
}

// The largest f16. A larger scale is stored as this one, since an infinite scale has no use.
inline constexpr float kMaxScale = 65504.0f;

template <class Tile>
struct TiledCodec {
  static std::uint64_t BandBytes(std::int64_t columns) {
    return static_cast<std::uint64_t>(columns / kTileInputs) * Tile::kBytes;
  }

  static void Encode(const float* values, std::int64_t rows, std::int64_t columns, std::byte* out) {
    for (std::int64_t band = 0; band < rows; band += kTileOutputs) {
      const int band_rows = static_cast<int>(std::min<std::int64_t>(kTileOutputs, rows - band));
      for (std::int64_t group = 0; group < columns; group += kTileInputs) {
        std::memset(out, 0, Tile::kBytes);
        for (int o = 0; o < kTileOutputs; ++o) {
          std::uint8_t codes[kTileInputs];
          if (o < band_rows) {
            SetTileScale(out, o, Tile::Quantize(values + (band + o) * columns + group, codes));
          } else {
            std::fill_n(codes, kTileInputs, Tile::kZero);
          }
          for (int i = 0; i < kTileInputs; ++i) {
            Tile::Put(out, o, i, codes[i]);
          }
        }
        out += Tile::kBytes;
      }
    }
  }

  static void Decode(const std::byte* packed, std::int64_t columns, std::int64_t row_begin,
                     std::int64_t row_end, float* values) {
    for (std::int64_t row = row_begin; row < row_end; ++row) {
      const std::byte* tile =
          packed + static_cast<std::uint64_t>(row / kTileOutputs) * BandBytes(columns);
      const int o = static_cast<int>(row % kTileOutputs);
      for (std::int64_t group = 0; group < columns; group += kTileInputs) {
        const float scale = F16ToF32(TileScale(tile, o));
        for (int i = 0; i < kTileInputs; ++i) {
          *values++ = scale * Tile::Value(Tile::Get(tile, o, i));
        }
        tile += Tile::kBytes;
      }
    }
  }

  static Status Check(std::span<const std::byte> packed, std::int64_t rows, std::int64_t columns) {
    const std::int64_t groups = columns / kTileInputs;
    const std::int64_t bands = (rows - 1) / kTileOutputs + 1;
    for (std::int64_t t = 0; t < bands * groups; ++t) {
      const std::byte* tile = packed.data() + static_cast<std::uint64_t>(t) * Tile::kBytes;
      for (int o = 0; o < kTileOutputs; ++o) {
        const std::uint16_t scale = TileScale(tile, o);
        if ((scale & 0x7c00u) == 0x7c00u) {
          return Corrupt("the scale of row {}, columns {} to {} is {} (f16 0x{:04x})",
                         t / groups * kTileOutputs + o, t % groups * kTileInputs,
                         t % groups * kTileInputs + kTileInputs - 1,
                         (scale & 0x3ffu) != 0 ? "NaN" : "infinite", scale);
        }
      }
    }
    return {};
  }
};

}  // namespace ashlar::internal
