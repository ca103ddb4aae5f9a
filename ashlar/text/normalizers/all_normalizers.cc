#include "ashlar/text/normalizers/normalizer.h"

namespace ashlar::internal {
namespace {

constexpr StageType<Normalizer> kNormalizers[] = {
    {.name = "BertNormalizer", .parse = ParseBert},
    {.name = "ByteLevel", .parse = ParseByteLevelNormalizer},
    {.name = "Lowercase", .parse = ParseLowercase},
    {.name = "NFC", .parse = ParseNfc},
    {.name = "NFD", .parse = ParseNfd},
    {.name = "NFKC", .parse = ParseNfkc},
    {.name = "NFKD", .parse = ParseNfkd},
    {.name = "Nmt", .parse = ParseNmt},
    {.name = "Precompiled", .parse = ParsePrecompiled},
    {.name = "Prepend", .parse = ParsePrepend},
    {.name = "Replace", .parse = ParseReplaceNormalizer},
    {.name = "SentencePiece", .parse = ParseSentencePiece},
    {.name = "Strip", .parse = ParseStripNormalizer},
    {.name = "StripAccents", .parse = ParseStripAccents},
};

}  // namespace

Result<StageList<Normalizer>> ParseNormalizers(const JsonCursor& json) {
  return ParseStages<Normalizer>(json, "normalizers", kNormalizers);
}

}  // namespace ashlar::internal
