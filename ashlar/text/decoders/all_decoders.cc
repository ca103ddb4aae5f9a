#include "ashlar/text/decoders/decoder.h"

namespace ashlar::internal {
namespace {

constexpr StageType<Decoder> kDecoders[] = {
    {.name = "ByteFallback", .parse = ParseByteFallback},
    {.name = "ByteLevel", .parse = ParseByteLevelDecoder},
    {.name = "Fuse", .parse = ParseFuse},
    {.name = "Replace", .parse = ParseReplaceDecoder},
    {.name = "Strip", .parse = ParseStrip},
};

}  // namespace

Result<StageList<Decoder>> ParseDecoders(const JsonCursor& json) {
  if (json.is_null()) {
    StageList<Decoder> stages;
    stages.push_back(MakeSpaceJoin());
    return stages;
  }
  return ParseStages<Decoder>(json, "decoders", kDecoders);
}

}  // namespace ashlar::internal
