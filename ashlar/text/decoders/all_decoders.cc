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

// Real stages make a text hardly longer. Several would multiply, and a decoder has no errors.
constexpr std::size_t kMaxGrowth = 64;

}  // namespace

Result<StageList<Decoder>> ParseDecoders(const JsonCursor& json) {
  if (json.is_null()) {
    StageList<Decoder> stages;
    stages.push_back(MakeSpaceJoin());
    return stages;
  }
  ASHLAR_TRY(StageList<Decoder> stages, ParseStages<Decoder>(json, "decoders", kDecoders));
  std::size_t growth = 1;
  for (const auto& stage : stages) {
    growth *= stage->growth();
    if (growth > kMaxGrowth) {
      return json.Invalid("its stages could make a text more than {} times as long", kMaxGrowth);
    }
  }
  return stages;
}

}  // namespace ashlar::internal
