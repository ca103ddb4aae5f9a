#include "ashlar/codec/gguf/block_type.h"

#include <algorithm>
#include <cstring>

namespace ashlar {
namespace {

// Calls move(place in the tile, place in the block) for each unit of one output; the size of a unit
// is known where it is called, so that a move is one load and one store.
template <int kUnit, class Move>
void ForUnits(const BlockType& type, const BlockField& field, int begin, int output,
              const Move& move) {
  const int step = type.rows * kUnit;
  int in_tile = type.rows * begin + output * kUnit;
  for (int k = 0; k < field.count; ++k, in_tile += step) {
    move(in_tile, begin + k * kUnit);
  }
}

// As above, over all fields: move<unit>(place in the tile, place in the block).
template <class Move>
void ForFields(const BlockType& type, int output, const Move& move) {
  int begin = 0;
  for (const BlockField& field : type.fields) {
    switch (field.unit) {
      case 4:
        ForUnits<4>(type, field, begin, output, [&](int t, int b) { move.template Do<4>(t, b); });
        break;
      case 2:
        ForUnits<2>(type, field, begin, output, [&](int t, int b) { move.template Do<2>(t, b); });
        break;
      default:
        ForUnits<1>(type, field, begin, output, [&](int t, int b) { move.template Do<1>(t, b); });
    }
    begin += field.unit * field.count;
  }
}

struct Gather {
  const std::byte* tile;
  std::byte* block;
  template <int kUnit>
  void Do(int in_tile, int in_block) const {
    std::memcpy(block + in_block, tile + in_tile, kUnit);
  }
};
struct Scatter {
  std::byte* tile;
  const std::byte* block;
  template <int kUnit>
  void Do(int in_tile, int in_block) const {
    std::memcpy(tile + in_tile, block + in_block, kUnit);
  }
};

}  // namespace

void GatherBlock(const BlockType& type, const std::byte* tile, int output, std::byte* block) {
  ForFields(type, output, Gather{tile, block});
}

void ScatterBlock(const BlockType& type, const std::byte* block, std::byte* tile, int output) {
  ForFields(type, output, Scatter{tile, block});
}

void DecodeBlock(const BlockType& type, const std::byte* tile, int output, float* values) {
  if (type.rows == 1) {
    return type.decode(tile, values);
  }
  std::byte block[BlockType::kMaxBytes];
  GatherBlock(type, tile, output, block);
  type.decode(block, values);
}

void PackBlocks(const BlockType& type, const std::byte* blocks, std::int64_t rows,
                std::int64_t columns, std::byte* out) {
  const std::int64_t tiles = columns / type.columns;
  for (std::int64_t first = 0; first < rows; first += type.rows) {
    std::byte* const band = out + first / type.rows * tiles * type.tile_bytes();
    const std::int64_t end = std::min<std::int64_t>(rows, first + type.rows);
    if (end - first < type.rows) {
      std::memset(band, 0, static_cast<std::size_t>(tiles * type.tile_bytes()));
    }
    for (std::int64_t row = first; row < end; ++row) {
      for (std::int64_t t = 0; t < tiles; ++t, blocks += type.bytes) {
        ScatterBlock(type, blocks, band + t * type.tile_bytes(), static_cast<int>(row - first));
      }
    }
  }
}

void UnpackBlocks(const BlockType& type, const std::byte* packed, std::int64_t stored_columns,
                  std::int64_t row, std::int64_t columns, std::byte* out) {
  const std::byte* tile =
      packed + row / type.rows * (stored_columns / type.columns) * type.tile_bytes();
  for (std::int64_t column = 0; column < columns; column += type.columns) {
    GatherBlock(type, tile, static_cast<int>(row % type.rows), out);
    tile += type.tile_bytes();
    out += type.bytes;
  }
}

}  // namespace ashlar
