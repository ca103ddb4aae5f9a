// Q2_K to Q6_K and IQ4_XS: blocks of 256 inputs in groups of 16 or 32, whose scales (and minima)
// are small integers in units of the block's own.
#include "ashlar/codec/gguf/block_bytes.h"
#include "ashlar/codec/gguf/block_codec.h"
#include "ashlar/codec/gguf/gguf.h"
#include "ashlar/codec/gguf/quantize.h"

namespace ashlar {
namespace {

using internal::F16;
using internal::U16;
using internal::U8;

// 2 bits of input i out of bytes that hold inputs i, i + 32, i + 64 and i + 96 of each 128.
int TwoBits(const std::byte* codes, int i) {
  return U8(codes, i / 128 * 32 + i % 32) >> (2 * (i / 32 % 4)) & 3;
}
// 4 bits of input i out of bytes that hold inputs i and i + 32 of each 64.
int FourBits(const std::byte* codes, int i) {
  return U8(codes, i / 64 * 32 + i % 32) >> (4 * (i / 32 % 2)) & 15;
}
// One bit of input i out of bytes that hold inputs i, i + 32, ... of all 256.
int OneBit(const std::byte* codes, int i) {
  return U8(codes, i % 32) >> (i / 32) & 1;
}

// Scales at byte 0, a nibble each, with minima in the high ones; codes at 16; d, dmin at 80, 82.
void DecodeQ2K(const std::byte* block, float* values) {
  const float scale = F16(block, 80);
  const float minimum = F16(block, 82);
  for (int i = 0; i < 256; ++i) {
    const int both = U8(block, i / 16);
    values[i] = scale * static_cast<float>(both & 15) * static_cast<float>(TwoBits(block + 16, i)) -
                minimum * static_cast<float>(both >> 4);
  }
}

// High bits at byte 0, low ones at 32, scales of 6 bits at 96, d at 108. A high bit that is not set
// means -4.
int ScaleOfQ3K(const std::byte* scales, int group) {
  const int low = U8(scales, group % 8) >> (group < 8 ? 0 : 4) & 15;
  const int high = U8(scales, 8 + group % 4) >> (2 * (group / 4)) & 3;
  return (low | high << 4) - 32;
}
void DecodeQ3K(const std::byte* block, float* values) {
  const float scale = F16(block, 108);
  for (int i = 0; i < 256; ++i) {
    const int code = TwoBits(block + 32, i) - (OneBit(block, i) != 0 ? 0 : 4);
    values[i] =
        scale * static_cast<float>(ScaleOfQ3K(block + 96, i / 16)) * static_cast<float>(code);
  }
}

// Eight scales and eight minima of 6 bits in 12 bytes: of groups 0 to 3 the low 6 bits of bytes 0
// to 3 (minima: 4 to 7); of groups 4 to 7 the nibbles of bytes 8 to 11, and above them the bits
// that the others leave free.
struct ScaleAndMinimum {
  float scale;
  float minimum;
};
ScaleAndMinimum SixBitScales(const std::byte* packed, int group) {
  const auto pair = [](int scale, int minimum) {
    return ScaleAndMinimum{static_cast<float>(scale), static_cast<float>(minimum)};
  };
  if (group < 4) {
    return pair(U8(packed, group) & 63, U8(packed, group + 4) & 63);
  }
  const int low = U8(packed, group + 4);
  return pair((low & 15) | U8(packed, group - 4) >> 6 << 4, low >> 4 | U8(packed, group) >> 6 << 4);
}

// d and dmin at bytes 0 and 2, scales at 4, codes at 16.
void DecodeQ4K(const std::byte* block, float* values) {
  const float scale = F16(block, 0);
  const float minimum = F16(block, 2);
  for (int i = 0; i < 256; ++i) {
    const ScaleAndMinimum group = SixBitScales(block + 4, i / 32);
    values[i] =
        scale * group.scale * static_cast<float>(FourBits(block + 16, i)) - minimum * group.minimum;
  }
}

// d and dmin at bytes 0 and 2, scales at 4, fifth bits at 16, the other four at 48.
void DecodeQ5K(const std::byte* block, float* values) {
  const float scale = F16(block, 0);
  const float minimum = F16(block, 2);
  for (int i = 0; i < 256; ++i) {
    const ScaleAndMinimum group = SixBitScales(block + 4, i / 32);
    const int code = FourBits(block + 48, i) | OneBit(block + 16, i) << 4;
    values[i] = scale * group.scale * static_cast<float>(code) - minimum * group.minimum;
  }
}

// Low nibbles at byte 0 (of each 128 inputs, those of i and i + 64 in a byte), the upper two bits
// at 128, scales at 192, d at 208.
void DecodeQ6K(const std::byte* block, float* values) {
  const float scale = F16(block, 208);
  for (int i = 0; i < 256; ++i) {
    const int low = U8(block, i / 128 * 64 + i % 64) >> (4 * (i / 64 % 2)) & 15;
    const int code = (low | TwoBits(block + 128, i) << 4) - 32;
    const auto group = static_cast<std::int8_t>(U8(block, 192 + i / 16));
    values[i] = scale * static_cast<float>(group) * static_cast<float>(code);
  }
}

// d at byte 0, the upper two bits of the scales at 2, the lower four at 4, codes at 8: as IQ4_NL's,
// for each 32 inputs.
void DecodeIq4Xs(const std::byte* block, float* values) {
  const float scale = F16(block, 0);
  for (int i = 0; i < 256; ++i) {
    const int group = i / 32;
    const int low = U8(block, 4 + group / 2) >> (4 * (group % 2)) & 15;
    const int high = static_cast<int>(U16(block, 2) >> (2 * group) & 3);
    const int code = U8(block, 8 + 16 * group + i % 16) >> (i % 32 < 16 ? 0 : 4) & 15;
    values[i] =
        scale * static_cast<float>((low | high << 4) - 32) * static_cast<float>(kIq4Values[code]);
  }
}

}  // namespace

constexpr BlockType kQ2KBlocks{.columns = 256,
                               .bytes = 84,
                               .rows = 32,
                               .fields = {{4, 4}, {4, 16}, {2, 1}, {2, 1}},
                               .scales = {80, 82},
                               .decode = DecodeQ2K};
constexpr BlockType kQ3KBlocks{.columns = 256,
                               .bytes = 110,
                               .rows = 32,
                               .fields = {{4, 8}, {4, 16}, {4, 3}, {2, 1}},
                               .scales = {108, -1},
                               .decode = DecodeQ3K};
constexpr BlockType kQ4KBlocks{.columns = 256,
                               .bytes = 144,
                               .rows = 32,
                               .fields = {{2, 1}, {2, 1}, {4, 3}, {4, 32}},
                               .scales = {0, 2},
                               .decode = DecodeQ4K};
constexpr BlockType kQ5KBlocks{.columns = 256,
                               .bytes = 176,
                               .rows = 32,
                               .fields = {{2, 1}, {2, 1}, {4, 3}, {4, 8}, {4, 32}},
                               .scales = {0, 2},
                               .decode = DecodeQ5K};
constexpr BlockType kQ6KBlocks{.columns = 256,
                               .bytes = 210,
                               .rows = 32,
                               .fields = {{4, 32}, {4, 16}, {4, 4}, {2, 1}},
                               .scales = {208, -1},
                               .decode = DecodeQ6K};
constexpr BlockType kIq4XsBlocks{.columns = 256,
                                 .bytes = 136,
                                 .rows = 32,
                                 .fields = {{2, 1}, {2, 1}, {4, 1}, {4, 32}},
                                 .scales = {0, -1},
                                 .decode = DecodeIq4Xs};

constinit const Codec kQ2K = internal::MakeBlockCodec<kQ2KBlocks>("q2_k.1");
constinit const Codec kQ3K = internal::MakeBlockCodec<kQ3KBlocks>("q3_k.1");
constinit const Codec kQ4K =
    internal::MakeBlockCodec<kQ4KBlocks, internal::EncodeQ4K>("q4_k.1", 0.085f);
constinit const Codec kQ5K = internal::MakeBlockCodec<kQ5KBlocks>("q5_k.1");
constinit const Codec kQ6K =
    internal::MakeBlockCodec<kQ6KBlocks, internal::EncodeQ6K>("q6_k.1", 0.022f);
constinit const Codec kIq4Xs = internal::MakeBlockCodec<kIq4XsBlocks>("iq4_xs.1");

}  // namespace ashlar
