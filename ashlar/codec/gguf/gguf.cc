#include "ashlar/codec/gguf/gguf.h"

#include <algorithm>

namespace ashlar {
namespace {

constexpr BlockCodec kBlockCodecs[] = {
    {&kQ4_1Blocks, &kQ4_1},   {&kQ5_0Blocks, &kQ5_0},   {&kQ5_1Blocks, &kQ5_1},
    {&kQ2KBlocks, &kQ2K},     {&kQ3KBlocks, &kQ3K},     {&kQ4KBlocks, &kQ4K},
    {&kQ5KBlocks, &kQ5K},     {&kQ6KBlocks, &kQ6K},     {&kIq4NlBlocks, &kIq4Nl},
    {&kIq4XsBlocks, &kIq4Xs}, {&kMxfp4Blocks, &kMxfp4}, {&kIq2XxsBlocks, &kIq2Xxs},
    {&kIq2XsBlocks, &kIq2Xs}, {&kIq2SBlocks, &kIq2S},   {&kIq3XxsBlocks, &kIq3Xxs},
    {&kIq3SBlocks, &kIq3S},   {&kIq1SBlocks, &kIq1S},   {&kIq1MBlocks, &kIq1M},
    {&kTq1Blocks, &kTq1},     {&kTq2Blocks, &kTq2},
};

}  // namespace

std::span<const BlockCodec> AllBlockCodecs() {
  return kBlockCodecs;
}

bool IsBlockCodec(const Codec& codec) {
  return std::ranges::find(kBlockCodecs, &codec, &BlockCodec::codec) != std::end(kBlockCodecs);
}

}  // namespace ashlar
