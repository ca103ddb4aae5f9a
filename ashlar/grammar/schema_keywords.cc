#include "ashlar/grammar/schema_keywords.h"

#include <algorithm>

namespace ashlar {

std::span<const std::string_view> SilentKeywords() {
  static constexpr std::string_view kSilent[] = {
      "title",           "description",      "default",  "examples",    "example",
      "$comment",        "deprecated",       "readOnly", "writeOnly",   "$schema",
      "contentEncoding", "contentMediaType", "$defs",    "definitions", "discriminator"};
  return kSilent;
}

bool SaysNothing(std::string_view keyword) {
  const auto silent = SilentKeywords();
  return std::ranges::find(silent, keyword) != silent.end();
}

}  // namespace ashlar
