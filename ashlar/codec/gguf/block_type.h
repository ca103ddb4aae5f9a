// A BlockType is how GGUF stores a kind of numbers: a row of a matrix is cut into blocks, and a
// block holds its scales and its codes in a fixed number of bytes. docs/formats/gguf_blocks.md.
//
// A packed matrix holds the same bytes in tiles of `rows` outputs x one block: a block is a list of
// fields, a field is `count` units of `unit` bytes, and in a tile the same unit of all outputs
// stands together. So unit k of a field that begins at byte b of the block lies, for output o, at
//
//     rows * b + (rows * k + o) * unit
//
// of the tile. That is a permutation of bytes: packing loses nothing. With rows = 1 it is the
// identity. With rows = 32 and units of 4 bytes, one register holds the same four inputs of 8 or 16
// outputs, which is what the processor's products of bytes want.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ashlar {

struct BlockField {
  int unit;   // bytes: 1, 2 or 4
  int count;  // 0: no field
};

struct BlockType {
  static constexpr int kMaxColumns = 256;
  static constexpr int kMaxBytes = 256;
  static constexpr int kFields = 5;

  int columns;  // numbers in a block
  int bytes;
  int rows;                    // outputs in a tile: 32 or 1
  BlockField fields[kFields];  // in the order of the block's bytes, all of them
  int scales[2] = {-1, -1};    // where a block has f16 numbers, which must be finite; -1: none
  // For scales of another form: whether every number of the block is finite. May be null.
  bool (*finite)(const std::byte* block) = nullptr;
  // The block's numbers, as the reference implementation of GGUF computes them, to the bit.
  void (*decode)(const std::byte* block, float* values);

  constexpr std::int64_t tile_bytes() const { return std::int64_t{bytes} * rows; }
};

// The block of output `output` of a tile, as GGUF has it.
void GatherBlock(const BlockType& type, const std::byte* tile, int output, std::byte* block);
void ScatterBlock(const BlockType& type, const std::byte* block, std::byte* tile, int output);
// The same, and its numbers [columns].
void DecodeBlock(const BlockType& type, const std::byte* tile, int output, float* values);

// GGUF's rows of blocks -> whole bands at `out`, the last one padded with zeros.
void PackBlocks(const BlockType& type, const std::byte* blocks, std::int64_t rows,
                std::int64_t columns, std::byte* out);
// The first `columns` numbers of row `row` of a packed matrix of `stored_columns` columns, as
// GGUF's blocks.
void UnpackBlocks(const BlockType& type, const std::byte* packed, std::int64_t stored_columns,
                  std::int64_t row, std::int64_t columns, std::byte* out);

}  // namespace ashlar
