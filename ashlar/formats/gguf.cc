#include "ashlar/formats/gguf.h"

#include <algorithm>
#include <cstring>

#include "ashlar/codec/q4/layout.h"
#include "ashlar/codec/q4/q4.h"
#include "ashlar/codec/q8/layout.h"
#include "ashlar/codec/q8/q8.h"
#include "ashlar/codec/raw/raw.h"

namespace ashlar {
namespace {

template <int kBytes>
void WriteRawRow(const std::byte* packed, std::int64_t stored_columns, std::int64_t row,
                 std::int64_t columns, std::byte* out) {
  std::memcpy(out, packed + row * stored_columns * kBytes,
              static_cast<std::size_t>(columns * kBytes));
}

std::uint32_t LoadU32(const std::byte* from) {
  std::uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Calls write(tile, output, block) for each group of 32 columns of a row.
template <class Layout, class Write>
void ForTiles(const std::byte* packed, std::int64_t stored_columns, std::int64_t row,
              std::int64_t columns, std::byte* out, int block_bytes, const Write& write) {
  const std::byte* tile =
      packed + row / Layout::kOutputs * (stored_columns / Layout::kInputs) * Layout::kTileBytes;
  const int output = static_cast<int>(row % Layout::kOutputs);
  for (std::int64_t column = 0; column < columns; column += Layout::kInputs) {
    std::memcpy(out, tile + 2 * output, 2);  // the scale
    write(tile + Layout::kScaleBytes, output, out + 2);
    tile += Layout::kTileBytes;
    out += block_bytes;
  }
}

// A block of Q4_0: the f16 scale, then 16 bytes; byte j holds q + 8 of inputs j (low) and j + 16
// (high). Four of them at a time are a quad of ours and the quad that is four further on.
constexpr int kQ4BlockBytes = 2 + 16;
void WriteQ4Row(const std::byte* packed, std::int64_t stored_columns, std::int64_t row,
                std::int64_t columns, std::byte* out) {
  const auto write = [](const std::byte* quads, int output, std::byte* block) {
    const int shift = output < Q4Layout::kOutputs / 2 ? 0 : 4;
    const std::byte* at = quads + 4 * (output % (Q4Layout::kOutputs / 2));
    for (int j = 0; j < Q4Layout::kQuads / 2; ++j) {
      constexpr std::uint32_t kLowNibbles = 0x0f0f0f0f;
      const std::byte* further = at + Q4Layout::kQuads / 2 * Q4Layout::kQuadBytes;
      const std::uint32_t low = LoadU32(at) >> shift & kLowNibbles;
      const std::uint32_t high = LoadU32(further) >> shift & kLowNibbles;
      const std::uint32_t four = low | high << 4;
      std::memcpy(block + 4 * j, &four, sizeof four);
      at += Q4Layout::kQuadBytes;
    }
  };
  ForTiles<Q4Layout>(packed, stored_columns, row, columns, out, kQ4BlockBytes, write);
}

// A block of Q8_0: the f16 scale, then 32 signed bytes.
constexpr int kQ8BlockBytes = 2 + 32;
void WriteQ8Row(const std::byte* packed, std::int64_t stored_columns, std::int64_t row,
                std::int64_t columns, std::byte* out) {
  const auto write = [](const std::byte* quads, int output, std::byte* block) {
    for (int j = 0; j < Q8Layout::kQuads; ++j) {
      constexpr std::uint32_t kUnbias = 0x80808080;  // q + 128 as u8 -> q as i8
      const std::uint32_t four = LoadU32(quads + j * Q8Layout::kQuadBytes + 4 * output) ^ kUnbias;
      std::memcpy(block + 4 * j, &four, sizeof four);
    }
  };
  ForTiles<Q8Layout>(packed, stored_columns, row, columns, out, kQ8BlockBytes, write);
}

// A new type is a line here.
constexpr GgufTensorType kTypes[] = {
    {"F32", 0, 0, 1, 4, &kRawF32, WriteRawRow<4>},
    {"F16", 1, 1, 1, 2, &kRawF16, WriteRawRow<2>},
    {"BF16", 30, 32, 1, 2, &kRawBF16, WriteRawRow<2>},
    {"Q4_0", 2, 2, 32, kQ4BlockBytes, &kQ4, WriteQ4Row},
    {"Q8_0", 8, 7, 32, kQ8BlockBytes, &kQ8, WriteQ8Row},
};

}  // namespace

std::span<const GgufTensorType> AllGgufTensorTypes() {
  return kTypes;
}

Result<const GgufTensorType*> GgufTypeOf(const Codec& codec) {
  const auto found = std::ranges::find(kTypes, &codec, &GgufTensorType::codec);
  if (found == std::end(kTypes)) {
    return Unsupported("GGUF has no type for the numbers of codec {}", codec.name);
  }
  return &*found;
}

}  // namespace ashlar
