// Random blocks for tests and benchmarks.
#pragma once

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "ashlar/codec/gguf/gguf.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar {

// `count` blocks of a type as GGUF has them: any codes, and scales that give numbers up to some 10.
inline std::vector<std::byte> RandomBlocks(const BlockType& type, std::int64_t count,
                                           std::mt19937_64& random) {
  std::vector<std::byte> blocks(static_cast<std::size_t>(count * type.bytes));
  for (std::byte& byte : blocks) {
    byte = static_cast<std::byte>(random());
  }
  std::uniform_real_distribution<float> uniform(0.5f, 1);
  for (std::int64_t b = 0; b < count; ++b) {
    std::byte* const block = blocks.data() + b * type.bytes;
    for (const int at : type.scales) {
      if (at >= 0) {
        const std::uint16_t bits = F32ToF16(uniform(random) / 256);
        std::memcpy(block + at, &bits, sizeof bits);
      }
    }
    if (&type == &kMxfp4Blocks) {
      block[0] = static_cast<std::byte>(120 + random() % 8);
    } else if (type.finite != nullptr) {  // IQ1_M: the exponent's high bits are those of 1/256
      block[55] = (block[55] & std::byte{0x0f}) | std::byte{0x10};
    }
  }
  return blocks;
}

// Requires: `codec` is one of AllBlockCodecs().
inline const BlockCodec& BlockCodecOf(const Codec& codec) {
  return *std::ranges::find(AllBlockCodecs(), &codec, &BlockCodec::codec);
}

// A packed matrix of random blocks.
inline std::vector<std::byte> RandomPacked(const BlockCodec& of, std::int64_t rows,
                                           std::int64_t columns, std::mt19937_64& random) {
  std::vector<std::byte> packed(*PackedBytes(*of.codec, {rows, columns}));
  const std::vector<std::byte> blocks =
      RandomBlocks(*of.type, rows * (columns / of.type->columns), random);
  PackBlocks(*of.type, blocks.data(), rows, columns, packed.data());
  return packed;
}

}  // namespace ashlar
