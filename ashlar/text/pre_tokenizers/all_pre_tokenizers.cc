#include "ashlar/text/pre_tokenizers/pre_tokenizer.h"

namespace ashlar::internal {
namespace {

constexpr StageType<PreTokenizer> kPreTokenizers[] = {
    {.name = "BertPreTokenizer", .parse = ParseBertPreTokenizer},
    {.name = "ByteLevel", .parse = ParseByteLevelPreTokenizer},
    {.name = "CharDelimiterSplit", .parse = ParseCharDelimiterSplit},
    {.name = "Digits", .parse = ParseDigits},
    {.name = "FixedLength", .parse = ParseFixedLength},
    {.name = "Metaspace", .parse = ParseMetaspacePreTokenizer},
    {.name = "Punctuation", .parse = ParsePunctuation},
    {.name = "Split", .parse = ParseSplit},
    {.name = "UnicodeScripts", .parse = ParseUnicodeScripts},
    {.name = "Whitespace", .parse = ParseWhitespace},
    {.name = "WhitespaceSplit", .parse = ParseWhitespaceSplit},
};

}  // namespace

Result<StageList<PreTokenizer>> ParsePreTokenizers(const JsonCursor& json) {
  return ParseStages<PreTokenizer>(json, "pretokenizers", kPreTokenizers);
}

}  // namespace ashlar::internal
