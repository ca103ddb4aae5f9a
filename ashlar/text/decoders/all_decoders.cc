#include "ashlar/text/decoders/decoder.h"

namespace ashlar::internal {
namespace {

constexpr StageType<Decoder> kDecoders[] = {
    {.name = "BPEDecoder", .parse = ParseBpeDecoder},
    {.name = "ByteFallback", .parse = ParseByteFallback},
    {.name = "ByteLevel", .parse = ParseByteLevelDecoder},
    {.name = "CTC", .parse = ParseCtc},
    {.name = "Fuse", .parse = ParseFuse},
    {.name = "Metaspace", .parse = ParseMetaspaceDecoder},
    {.name = "Replace", .parse = ParseReplaceDecoder},
    {.name = "Strip", .parse = ParseStrip},
    {.name = "WordPiece", .parse = ParseWordPieceDecoder},
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
