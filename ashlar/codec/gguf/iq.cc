// IQ1_S to IQ3_S: 256 inputs whose codes name points of a grid, eight or four inputs at a time,
// with signs beside them. Matrices of these types are decoded by rows, and stored as GGUF has them.
#include <bit>

#include "ashlar/codec/gguf/block_bytes.h"
#include "ashlar/codec/gguf/block_codec.h"
#include "ashlar/codec/gguf/gguf.h"
#include "ashlar/codec/gguf/iq_grids.h"

namespace ashlar {
namespace {

using internal::F16;
using internal::U16;
using internal::U32;
using internal::U8;

constexpr float kCoordinates2[4] = {8, 25, 43, 0};                      // of IQ2 (three are in use)
constexpr float kCoordinates3Xxs[8] = {4, 12, 20, 28, 36, 44, 52, 62};  // of IQ3_XXS
constexpr float kCoordinates3S[8] = {1, 3, 5, 7, 9, 11, 13, 15};        // of IQ3_S

// Eight signs in seven bits: the eighth makes the number of minus signs even.
std::uint32_t EvenSigns(std::uint32_t seven) {
  return seven | static_cast<std::uint32_t>(std::popcount(seven) & 1) << 7;
}

// `count` numbers: the coordinates of a point, `bits` apart, each with its sign.
void WritePoint(std::uint32_t point, int count, int bits, const float* coordinates, float scale,
                std::uint32_t signs, float* values) {
  for (int i = 0; i < count; ++i) {
    const float value = scale * coordinates[point >> (bits * i) & ((1u << bits) - 1)];
    values[i] = value * ((signs >> i & 1) != 0 ? -1.0f : 1.0f);
  }
}
void WritePoint2(std::uint32_t point, float scale, std::uint32_t signs, float* values) {
  WritePoint(point, 8, 2, kCoordinates2, scale, signs, values);
}

// d; for each 32 inputs 4 codes of a byte, then 4 x 7 bits of signs and 4 of the scale.
void DecodeIq2Xxs(const std::byte* block, float* values) {
  const float scale = F16(block, 0);
  for (int g = 0; g < 8; ++g) {
    const std::byte* group = block + 2 + 8 * g;
    const std::uint32_t rest = U32(group, 4);
    const float of_group = scale * (0.5f + static_cast<float>(rest >> 28)) * 0.25f;
    for (int p = 0; p < 4; ++p, values += 8) {
      WritePoint2(internal::kIq2XxsGrid[static_cast<std::size_t>(U8(group, p))], of_group,
                  EvenSigns(rest >> (7 * p) & 127), values);
    }
  }
}

// d; 32 codes of 9 bits with 7 of signs; scales of 4 bits for each 16 inputs.
void DecodeIq2Xs(const std::byte* block, float* values) {
  const float scale = F16(block, 0);
  for (int p = 0; p < 32; ++p, values += 8) {
    const std::uint32_t code = U16(block, 2 + 2 * p);
    const int of_group = U8(block, 66 + p / 4) >> (4 * (p / 2 % 2)) & 15;
    WritePoint2(internal::kIq2XsGrid[code & 511],
                scale * (0.5f + static_cast<float>(of_group)) * 0.25f, EvenSigns(code >> 9),
                values);
  }
}

// d; 32 bytes of codes, 32 of signs, 8 of the codes' upper two bits, 8 of scales of 4 bits.
void DecodeIq2S(const std::byte* block, float* values) {
  const float scale = F16(block, 0);
  for (int p = 0; p < 32; ++p, values += 8) {
    const int code = U8(block, 2 + p) | (U8(block, 66 + p / 4) >> (2 * (p % 4)) & 3) << 8;
    const int of_group = U8(block, 74 + p / 4) >> (4 * (p / 2 % 2)) & 15;
    WritePoint2(internal::kIq2SGrid[static_cast<std::size_t>(code)],
                scale * (0.5f + static_cast<float>(of_group)) * 0.25f,
                static_cast<std::uint32_t>(U8(block, 34 + p)), values);
  }
}

// d; 64 bytes of codes; for each 32 inputs 4 x 7 bits of signs and 4 of the scale.
void DecodeIq3Xxs(const std::byte* block, float* values) {
  const float scale = F16(block, 0);
  for (int p = 0; p < 64; ++p, values += 4) {
    const std::uint32_t rest = U32(block, 66 + p / 8 * 4);
    const std::uint32_t signs = EvenSigns(rest >> (7 * (p / 2 % 4)) & 127);
    WritePoint(internal::kIq3XxsGrid[static_cast<std::size_t>(U8(block, 2 + p))], 4, 4,
               kCoordinates3Xxs, scale * (0.5f + static_cast<float>(rest >> 28)) * 0.5f,
               signs >> (4 * (p % 2)), values);
  }
}

// d; 64 bytes of codes, 8 of their ninth bits, 32 of signs, 4 of scales of 4 bits.
void DecodeIq3S(const std::byte* block, float* values) {
  const float scale = F16(block, 0);
  for (int p = 0; p < 64; ++p, values += 4) {
    const int code = U8(block, 2 + p) | (U8(block, 66 + p / 8) >> (p % 8) & 1) << 8;
    const int of_group = U8(block, 106 + p / 16) >> (4 * (p / 8 % 2)) & 15;
    const int signs = U8(block, 74 + p / 2) >> (4 * (p % 2));
    WritePoint(internal::kIq3SGrid[static_cast<std::size_t>(code)], 4, 4, kCoordinates3S,
               scale * static_cast<float>(1 + 2 * of_group), static_cast<std::uint32_t>(signs),
               values);
  }
}

// A point of -1, 0 and 1, moved by an eighth one way or the other.
void WritePoint1(int code, float scale, bool down, float* values) {
  const std::uint32_t point = internal::kIq1Grid[static_cast<std::size_t>(code)];
  for (int i = 0; i < 8; ++i) {
    const auto coordinate = static_cast<float>(static_cast<int>(point >> (2 * i) & 3) - 1);
    values[i] = scale * (coordinate + (down ? -0.125f : 0.125f));
  }
}

// d; 32 bytes of codes; for each 32 inputs 4 x 3 upper bits, 3 of the scale, and the way.
void DecodeIq1S(const std::byte* block, float* values) {
  const float scale = F16(block, 0);
  for (int p = 0; p < 32; ++p, values += 8) {
    const std::uint32_t rest = U16(block, 34 + p / 4 * 2);
    const int high = static_cast<int>(rest >> (3 * (p % 4)) & 7);
    WritePoint1(U8(block, 2 + p) | high << 8, scale * static_cast<float>(2 * (rest >> 12 & 7) + 1),
                (rest & 0x8000) != 0, values);
  }
}

// 32 bytes of codes; 16 of nibbles, each 3 upper bits and the way; 4 words of 4 scales of 3 bits
// for 16 inputs each, whose top nibbles are the block's f16.
std::uint16_t ScaleOfIq1M(const std::byte* block) {
  std::uint32_t bits = 0;
  for (int w = 0; w < 4; ++w) {
    bits |= U16(block, 48 + 2 * w) >> 12 << (4 * w);
  }
  return static_cast<std::uint16_t>(bits);
}
void DecodeIq1M(const std::byte* block, float* values) {
  const float scale = F16ToF32(ScaleOfIq1M(block));
  for (int p = 0; p < 32; ++p, values += 8) {
    const int rest = U8(block, 32 + p / 2) >> (4 * (p % 2));
    const int group = p / 2;  // of 16 inputs
    const std::uint32_t of_group = U16(block, 48 + group / 4 * 2) >> (3 * (group % 4)) & 7;
    WritePoint1(U8(block, p) | (rest & 7) << 8, scale * static_cast<float>(2 * of_group + 1),
                (rest & 8) != 0, values);
  }
}
bool IsIq1MFinite(const std::byte* block) {
  return (ScaleOfIq1M(block) & 0x7c00) != 0x7c00;
}

}  // namespace

// As GGUF has them: a tile is a block, so any fields are the identity.
constexpr BlockType kIq2XxsBlocks{.columns = 256,
                                  .bytes = 66,
                                  .rows = 1,
                                  .fields = {{2, 33}},
                                  .scales = {0, -1},
                                  .decode = DecodeIq2Xxs};
constexpr BlockType kIq2XsBlocks{.columns = 256,
                                 .bytes = 74,
                                 .rows = 1,
                                 .fields = {{2, 37}},
                                 .scales = {0, -1},
                                 .decode = DecodeIq2Xs};
constexpr BlockType kIq2SBlocks{.columns = 256,
                                .bytes = 82,
                                .rows = 1,
                                .fields = {{2, 41}},
                                .scales = {0, -1},
                                .decode = DecodeIq2S};
constexpr BlockType kIq3XxsBlocks{.columns = 256,
                                  .bytes = 98,
                                  .rows = 1,
                                  .fields = {{2, 49}},
                                  .scales = {0, -1},
                                  .decode = DecodeIq3Xxs};
constexpr BlockType kIq3SBlocks{.columns = 256,
                                .bytes = 110,
                                .rows = 1,
                                .fields = {{2, 55}},
                                .scales = {0, -1},
                                .decode = DecodeIq3S};
constexpr BlockType kIq1SBlocks{.columns = 256,
                                .bytes = 50,
                                .rows = 1,
                                .fields = {{2, 25}},
                                .scales = {0, -1},
                                .decode = DecodeIq1S};
constexpr BlockType kIq1MBlocks{.columns = 256,
                                .bytes = 56,
                                .rows = 1,
                                .fields = {{2, 28}},
                                .finite = IsIq1MFinite,
                                .decode = DecodeIq1M};

constinit const Codec kIq2Xxs = internal::MakeBlockCodec<kIq2XxsBlocks>("iq2_xxs.1");
constinit const Codec kIq2Xs = internal::MakeBlockCodec<kIq2XsBlocks>("iq2_xs.1");
constinit const Codec kIq2S = internal::MakeBlockCodec<kIq2SBlocks>("iq2_s.1");
constinit const Codec kIq3Xxs = internal::MakeBlockCodec<kIq3XxsBlocks>("iq3_xxs.1");
constinit const Codec kIq3S = internal::MakeBlockCodec<kIq3SBlocks>("iq3_s.1");
constinit const Codec kIq1S = internal::MakeBlockCodec<kIq1SBlocks>("iq1_s.1");
constinit const Codec kIq1M = internal::MakeBlockCodec<kIq1MBlocks>("iq1_m.1");

}  // namespace ashlar
