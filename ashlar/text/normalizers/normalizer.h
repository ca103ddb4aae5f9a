// A Normalizer rewrites the text before it is cut: Unicode forms, replacements, lower case.
// Immutable, thread-safe. A new one is a file in this folder and a line in all_normalizers.cc.
#pragma once

#include <string>

#include "ashlar/text/internal/stage.h"

namespace ashlar::internal {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  // Requires: `text` is well-formed UTF-8; so it stays. kExhausted when it outgrows
  // `max_bytes` or a pattern backtracks beyond its bound.
  virtual Status Apply(std::string& text, std::size_t max_bytes) const = 0;
};

Result<StageList<Normalizer>> ParseNormalizers(const JsonCursor& json);

using NormalizerResult = Result<std::unique_ptr<const Normalizer>>;
NormalizerResult ParseNfc(const JsonCursor& json);
NormalizerResult ParseNfd(const JsonCursor& json);
NormalizerResult ParseNfkc(const JsonCursor& json);
NormalizerResult ParseNfkd(const JsonCursor& json);
NormalizerResult ParseLowercase(const JsonCursor& json);
NormalizerResult ParsePrepend(const JsonCursor& json);
NormalizerResult ParseReplaceNormalizer(const JsonCursor& json);

}  // namespace ashlar::internal
