// The quantized numbers of GGUF that are none of q4 and q8: a block type and a codec each.
// docs/formats/gguf_blocks.md has them byte by byte.
#pragma once

#include <span>

#include "ashlar/codec/codec.h"
#include "ashlar/codec/gguf/block_types.h"

namespace ashlar {

extern const Codec kQ4_1, kQ5_0, kQ5_1, kIq4Nl, kMxfp4;
extern const Codec kQ2K, kQ3K, kQ4K, kQ5K, kQ6K, kIq4Xs;
extern const Codec kIq2Xxs, kIq2Xs, kIq2S, kIq3Xxs, kIq3S, kIq1S, kIq1M;
extern const Codec kTq1, kTq2;

struct BlockCodec {
  const BlockType* type;
  const Codec* codec;
};
// All of them, in the order of AllCodecs().
std::span<const BlockCodec> AllBlockCodecs();
bool IsBlockCodec(const Codec& codec);

}  // namespace ashlar
