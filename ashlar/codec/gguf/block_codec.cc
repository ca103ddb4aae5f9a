#include "ashlar/codec/gguf/block_codec.h"

#include <algorithm>

namespace ashlar::internal {
namespace {

constexpr std::uint16_t kExponent = 0x7c00;  // of an f16: all ones when it is infinite or NaN

Status BadScale(const BlockType& type, std::int64_t row, std::int64_t block) {
  return Corrupt("a scale of row {}, columns {} to {} is NaN or infinite", row,
                 block * type.columns, (block + 1) * type.columns - 1);
}

// Whether one of the tile's f16 numbers at byte `at` of a block is not finite.
bool AnyNotFinite(const std::byte* tile, const BlockType& type, int at) {
  bool any = false;
  for (int o = 0; o < type.rows; ++o) {
    std::uint16_t scale;
    std::memcpy(&scale, tile + type.rows * at + 2 * o, sizeof scale);
    any |= (scale & kExponent) == kExponent;
  }
  return any;
}

bool IsFinite(const std::byte* tile, const BlockType& type, int output) {
  std::byte block[BlockType::kMaxBytes];
  GatherBlock(type, tile, output, block);
  for (const int at : type.scales) {
    if (at >= 0 && AnyNotFinite(block, {.bytes = type.bytes, .rows = 1}, at)) {
      return false;
    }
  }
  return type.finite == nullptr || type.finite(block);
}

bool IsTileFinite(const std::byte* tile, const BlockType& type) {
  for (const int at : type.scales) {
    if (at >= 0 && AnyNotFinite(tile, type, at)) {
      return false;
    }
  }
  if (type.finite != nullptr) {
    for (int o = 0; o < type.rows; ++o) {
      if (!IsFinite(tile, type, o)) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

std::uint64_t BlockBandBytes(const BlockType& type, std::int64_t columns) {
  return static_cast<std::uint64_t>(columns / type.columns) *
         static_cast<std::uint64_t>(type.tile_bytes());
}

void DecodeBlocks(const BlockType& type, const std::byte* packed, std::int64_t columns,
                  std::int64_t row_begin, std::int64_t row_end, float* values) {
  for (std::int64_t row = row_begin; row < row_end; ++row) {
    const std::byte* tile =
        packed + static_cast<std::uint64_t>(row / type.rows) * BlockBandBytes(type, columns);
    for (std::int64_t column = 0; column < columns; column += type.columns) {
      DecodeBlock(type, tile, static_cast<int>(row % type.rows), values);
      tile += type.tile_bytes();
      values += type.columns;
    }
  }
}

Status CheckBlocks(const BlockType& type, std::span<const std::byte> packed, std::int64_t rows,
                   std::int64_t columns) {
  const std::int64_t blocks = columns / type.columns;
  const std::byte* tile = packed.data();
  for (std::int64_t row = 0; row < rows; row += type.rows) {
    for (std::int64_t block = 0; block < blocks; ++block, tile += type.tile_bytes()) {
      if (IsTileFinite(tile, type)) {
        continue;
      }
      for (int o = 0; o < type.rows; ++o) {
        if (!IsFinite(tile, type, o)) {
          return BadScale(type, row + o, block);
        }
      }
    }
  }
  return {};
}

void EncodeBlocks(const BlockType& type, void (*encode)(const float* values, std::byte* block),
                  const float* values, std::int64_t rows, std::int64_t columns, std::byte* out) {
  const std::int64_t tiles = columns / type.columns;
  std::byte block[BlockType::kMaxBytes];
  for (std::int64_t first = 0; first < rows; first += type.rows) {
    std::byte* const band = out + first / type.rows * tiles * type.tile_bytes();
    std::memset(band, 0, static_cast<std::size_t>(tiles * type.tile_bytes()));
    const std::int64_t end = std::min<std::int64_t>(rows, first + type.rows);
    for (std::int64_t row = first; row < end; ++row) {
      for (std::int64_t t = 0; t < tiles; ++t, values += type.columns) {
        encode(values, block);
        ScatterBlock(type, block, band + t * type.tile_bytes(), static_cast<int>(row - first));
      }
    }
  }
}

}  // namespace ashlar::internal
