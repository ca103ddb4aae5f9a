#include "ashlar/formats/gguf.h"

#include <algorithm>
#include <cstring>

#include "ashlar/base/join.h"
#include "ashlar/codec/gguf/gguf.h"
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

template <int kBytes>
void ReadRawRows(const std::byte* blocks, std::int64_t rows, std::int64_t columns, std::byte* out) {
  std::memcpy(out, blocks, static_cast<std::size_t>(rows * columns * kBytes));
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

// The way back: read(block, tile, output) for each block of some rows, over tiles that hold zeros.
template <class Layout, class Read>
void ForBlocks(const std::byte* blocks, std::int64_t rows, std::int64_t columns, std::byte zero,
               std::byte* out, int block_bytes, const Read& read) {
  const std::int64_t tiles = columns / Layout::kInputs;
  for (std::int64_t first = 0; first < rows; first += Layout::kOutputs) {
    std::byte* tile = out + first / Layout::kOutputs * tiles * Layout::kTileBytes;
    for (std::int64_t t = 0; t < tiles; ++t, tile += Layout::kTileBytes) {
      std::memset(tile, 0, Layout::kScaleBytes);
      std::memset(tile + Layout::kScaleBytes, std::to_integer<int>(zero),
                  Layout::kTileBytes - Layout::kScaleBytes);
      const std::int64_t end = std::min<std::int64_t>(rows, first + Layout::kOutputs);
      for (std::int64_t row = first; row < end; ++row) {
        const int output = static_cast<int>(row - first);
        const std::byte* block = blocks + (row * tiles + t) * block_bytes;
        std::memcpy(tile + 2 * output, block, 2);  // the scale
        read(block + 2, tile + Layout::kScaleBytes, output);
      }
    }
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

void ReadQ4Rows(const std::byte* blocks, std::int64_t rows, std::int64_t columns, std::byte* out) {
  const auto read = [](const std::byte* block, std::byte* quads, int output) {
    const int shift = output < Q4Layout::kOutputs / 2 ? 0 : 4;
    const std::byte kept{static_cast<unsigned char>(shift == 0 ? 0xf0 : 0x0f)};
    std::byte* const at = quads + 4 * (output % (Q4Layout::kOutputs / 2));
    for (int i = 0; i < Q4Layout::kInputs; ++i) {
      const std::byte code = block[i % 16] >> (i < 16 ? 0 : 4) & std::byte{15};
      std::byte& both = at[i / 4 * Q4Layout::kQuadBytes + i % 4];
      both = (both & kept) | code << shift;
    }
  };
  constexpr std::byte kZeros{Q4Layout::kBias << 4 | Q4Layout::kBias};
  ForBlocks<Q4Layout>(blocks, rows, columns, kZeros, out, kQ4BlockBytes, read);
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

void ReadQ8Rows(const std::byte* blocks, std::int64_t rows, std::int64_t columns, std::byte* out) {
  const auto read = [](const std::byte* block, std::byte* quads, int output) {
    for (int j = 0; j < Q8Layout::kQuads; ++j) {
      constexpr std::uint32_t kBias = 0x80808080;  // q as i8 -> q + 128 as u8
      const std::uint32_t four = LoadU32(block + 4 * j) ^ kBias;
      std::memcpy(quads + j * Q8Layout::kQuadBytes + 4 * output, &four, sizeof four);
    }
  };
  ForBlocks<Q8Layout>(blocks, rows, columns, std::byte{Q8Layout::kBias}, out, kQ8BlockBytes, read);
}

// A type whose codec holds GGUF's own blocks.
template <const BlockType& kType>
constexpr GgufTensorType OfBlocks(std::string_view name, std::uint32_t id, std::uint32_t file_type,
                                  const Codec& codec, int columns, int bytes) {
  return {.name = name,
          .id = id,
          .file_type = file_type,
          .block_columns = columns,
          .block_bytes = bytes,
          .codec = &codec,
          .write_row =
              [](const std::byte* packed, std::int64_t stored_columns, std::int64_t row,
                 std::int64_t taken,
                 std::byte* out) { UnpackBlocks(kType, packed, stored_columns, row, taken, out); },
          .read_rows = [](const std::byte* blocks, std::int64_t rows, std::int64_t stored,
                          std::byte* out) { PackBlocks(kType, blocks, rows, stored, out); }};
}

// A new type is a line here.
constexpr GgufTensorType kTypes[] = {
    {"F32", 0, 0, 1, 4, &kRawF32, WriteRawRow<4>, ReadRawRows<4>},
    {"F16", 1, 1, 1, 2, &kRawF16, WriteRawRow<2>, ReadRawRows<2>},
    {"BF16", 30, 32, 1, 2, &kRawBF16, WriteRawRow<2>, ReadRawRows<2>},
    {"Q4_0", 2, 2, 32, kQ4BlockBytes, &kQ4, WriteQ4Row, ReadQ4Rows},
    {"Q8_0", 8, 7, 32, kQ8BlockBytes, &kQ8, WriteQ8Row, ReadQ8Rows},
    OfBlocks<kQ4_1Blocks>("Q4_1", 3, 3, kQ4_1, 32, 20),
    OfBlocks<kQ5_0Blocks>("Q5_0", 6, 8, kQ5_0, 32, 22),
    OfBlocks<kQ5_1Blocks>("Q5_1", 7, 9, kQ5_1, 32, 24),
    OfBlocks<kQ2KBlocks>("Q2_K", 10, 10, kQ2K, 256, 84),
    OfBlocks<kQ3KBlocks>("Q3_K", 11, 11, kQ3K, 256, 110),
    OfBlocks<kQ4KBlocks>("Q4_K", 12, 14, kQ4K, 256, 144),
    OfBlocks<kQ5KBlocks>("Q5_K", 13, 16, kQ5K, 256, 176),
    OfBlocks<kQ6KBlocks>("Q6_K", 14, 18, kQ6K, 256, 210),
    OfBlocks<kIq2XxsBlocks>("IQ2_XXS", 16, 19, kIq2Xxs, 256, 66),
    OfBlocks<kIq2XsBlocks>("IQ2_XS", 17, 20, kIq2Xs, 256, 74),
    OfBlocks<kIq3XxsBlocks>("IQ3_XXS", 18, 23, kIq3Xxs, 256, 98),
    OfBlocks<kIq1SBlocks>("IQ1_S", 19, 24, kIq1S, 256, 50),
    OfBlocks<kIq4NlBlocks>("IQ4_NL", 20, 25, kIq4Nl, 32, 18),
    OfBlocks<kIq3SBlocks>("IQ3_S", 21, 26, kIq3S, 256, 110),
    OfBlocks<kIq2SBlocks>("IQ2_S", 22, 28, kIq2S, 256, 82),
    OfBlocks<kIq4XsBlocks>("IQ4_XS", 23, 30, kIq4Xs, 256, 136),
    OfBlocks<kIq1MBlocks>("IQ1_M", 29, 31, kIq1M, 256, 56),
    OfBlocks<kTq1Blocks>("TQ1_0", 34, 36, kTq1, 256, 54),
    OfBlocks<kTq2Blocks>("TQ2_0", 35, 37, kTq2, 256, 66),
    OfBlocks<kMxfp4Blocks>("MXFP4", 39, 38, kMxfp4, 32, 17),
};

}  // namespace

std::span<const GgufTensorType> AllGgufTensorTypes() {
  return kTypes;
}

Result<const GgufTensorType*> FindGgufType(std::uint32_t id) {
  const auto found = std::ranges::find(kTypes, id, &GgufTensorType::id);
  if (found == std::end(kTypes)) {
    std::vector<std::string_view> known;
    for (const GgufTensorType& type : kTypes) {
      known.push_back(type.name);
    }
    return Unsupported("tensors of type {} cannot be read; the known types are {}", id,
                       Join(known, ", "));
  }
  return &*found;
}

Result<const GgufTensorType*> GgufTypeOf(const Codec& codec) {
  const auto found = std::ranges::find(kTypes, &codec, &GgufTensorType::codec);
  if (found == std::end(kTypes)) {
    return Unsupported("GGUF has no type for the numbers of codec {}", codec.name);
  }
  return &*found;
}

}  // namespace ashlar
