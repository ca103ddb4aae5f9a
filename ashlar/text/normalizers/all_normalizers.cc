#include "ashlar/text/normalizers/normalizer.h"

namespace ashlar::internal {
namespace {

constexpr StageType<Normalizer> kNormalizers[] = {
    {.name = "NFC", .parse = ParseNfc},
    {.name = "NFD", .parse = ParseNfd},
    {.name = "NFKC", .parse = ParseNfkc},
    {.name = "NFKD", .parse = ParseNfkd},
    {.name = "Lowercase", .parse = ParseLowercase},
    {.name = "Prepend", .parse = ParsePrepend},
    {.name = "Replace", .parse = ParseReplaceNormalizer},
};

}  // namespace

Result<StageList<Normalizer>> ParseNormalizers(const JsonCursor& json) {
  return ParseStages<Normalizer>(json, "normalizers", kNormalizers);
}

}  // namespace ashlar::internal
