#include "ashlar/text/pre_tokenizers/pre_tokenizer.h"

namespace ashlar::internal {
namespace {

constexpr StageType<PreTokenizer> kPreTokenizers[] = {
    {.name = "ByteLevel", .parse = ParseByteLevelPreTokenizer},
    {.name = "Digits", .parse = ParseDigits},
    {.name = "Split", .parse = ParseSplit},
};

}  // namespace

Result<StageList<PreTokenizer>> ParsePreTokenizers(const JsonCursor& json) {
  return ParseStages<PreTokenizer>(json, "pretokenizers", kPreTokenizers);
}

}  // namespace ashlar::internal
