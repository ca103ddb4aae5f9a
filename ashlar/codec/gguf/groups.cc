// Q4_1, Q5_0, Q5_1, IQ4_NL, MXFP4: groups of 32 inputs.
#include <bit>

#include "ashlar/codec/gguf/block_bytes.h"
#include "ashlar/codec/gguf/block_codec.h"
#include "ashlar/codec/gguf/gguf.h"
#include "ashlar/codec/gguf/quantize.h"

namespace ashlar {
namespace {

using internal::F16;
using internal::U32;
using internal::U8;

// The low nibbles of 16 bytes, then the high ones: the codes of inputs 0 to 15, and 16 to 31.
int Nibble(const std::byte* codes, int i) {
  return U8(codes, i % 16) >> (i < 16 ? 0 : 4) & 15;
}

void DecodeQ4_1(const std::byte* block, float* values) {
  const float scale = F16(block, 0);
  const float least = F16(block, 2);
  for (int i = 0; i < 32; ++i) {
    values[i] = scale * static_cast<float>(Nibble(block + 4, i)) + least;
  }
}

// The fifth bit of input i is bit i of a u32.
int FiveBits(const std::byte* high, const std::byte* codes, int i) {
  return Nibble(codes, i) | static_cast<int>(U32(high, 0) >> i & 1) << 4;
}

void DecodeQ5_0(const std::byte* block, float* values) {
  const float scale = F16(block, 0);
  for (int i = 0; i < 32; ++i) {
    values[i] = scale * static_cast<float>(FiveBits(block + 2, block + 6, i) - 16);
  }
}

void DecodeQ5_1(const std::byte* block, float* values) {
  const float scale = F16(block, 0);
  const float least = F16(block, 2);
  for (int i = 0; i < 32; ++i) {
    values[i] = scale * static_cast<float>(FiveBits(block + 4, block + 8, i)) + least;
  }
}

void DecodeIq4Nl(const std::byte* block, float* values) {
  const float scale = F16(block, 0);
  for (int i = 0; i < 32; ++i) {
    values[i] = scale * static_cast<float>(kIq4Values[Nibble(block + 2, i)]);
  }
}

// 2^(e - 128): half of what the exponent says, since the values are doubled. Of e = 0 and 1 it is
// no normal f32.
float HalfOfExponent(int e) {
  return std::bit_cast<float>(e < 2 ? std::uint32_t{0x00200000} << e
                                    : static_cast<std::uint32_t>(e - 1) << 23);
}

void DecodeMxfp4(const std::byte* block, float* values) {
  const float scale = HalfOfExponent(U8(block, 0));
  for (int i = 0; i < 32; ++i) {
    values[i] = scale * static_cast<float>(kMxfp4Values[Nibble(block + 1, i)]);
  }
}

// 255 says NaN; with 253 and 254 the largest values are beyond f32.
bool IsMxfp4Finite(const std::byte* block) {
  return U8(block, 0) <= 252;
}

}  // namespace

constexpr BlockType kQ4_1Blocks{.columns = 32,
                                .bytes = 20,
                                .rows = 32,
                                .fields = {{2, 1}, {2, 1}, {4, 4}},
                                .scales = {0, 2},
                                .decode = DecodeQ4_1};
constexpr BlockType kQ5_0Blocks{.columns = 32,
                                .bytes = 22,
                                .rows = 32,
                                .fields = {{2, 1}, {4, 1}, {4, 4}},
                                .scales = {0, -1},
                                .decode = DecodeQ5_0};
constexpr BlockType kQ5_1Blocks{.columns = 32,
                                .bytes = 24,
                                .rows = 32,
                                .fields = {{2, 1}, {2, 1}, {4, 1}, {4, 4}},
                                .scales = {0, 2},
                                .decode = DecodeQ5_1};
constexpr BlockType kIq4NlBlocks{.columns = 32,
                                 .bytes = 18,
                                 .rows = 32,
                                 .fields = {{2, 1}, {4, 4}},
                                 .scales = {0, -1},
                                 .decode = DecodeIq4Nl};
constexpr BlockType kMxfp4Blocks{.columns = 32,
                                 .bytes = 17,
                                 .rows = 32,
                                 .fields = {{1, 1}, {4, 4}},
                                 .finite = IsMxfp4Finite,
                                 .decode = DecodeMxfp4};

constinit const Codec kQ4_1 =
    internal::MakeBlockCodec<kQ4_1Blocks, internal::EncodeQ4_1>("q4_1.1", 0.085f);
constinit const Codec kQ5_0 = internal::MakeBlockCodec<kQ5_0Blocks>("q5_0.1");
constinit const Codec kQ5_1 = internal::MakeBlockCodec<kQ5_1Blocks>("q5_1.1");
constinit const Codec kIq4Nl = internal::MakeBlockCodec<kIq4NlBlocks>("iq4_nl.1");
constinit const Codec kMxfp4 = internal::MakeBlockCodec<kMxfp4Blocks>("mxfp4.1");

}  // namespace ashlar
