// A Normalizer rewrites the text before it is cut: Unicode forms, replacements, lower case.
// Immutable, thread-safe. A new one is a file in this folder and a line in all_normalizers.cc.
#pragma once

#include <memory>
#include <string>
#include <string_view>

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
NormalizerResult ParseBert(const JsonCursor& json);
NormalizerResult ParseByteLevelNormalizer(const JsonCursor& json);
NormalizerResult ParseLowercase(const JsonCursor& json);
NormalizerResult ParseNfc(const JsonCursor& json);
NormalizerResult ParseNfd(const JsonCursor& json);
NormalizerResult ParseNfkc(const JsonCursor& json);
NormalizerResult ParseNfkd(const JsonCursor& json);
NormalizerResult ParseNmt(const JsonCursor& json);
NormalizerResult ParsePrecompiled(const JsonCursor& json);
NormalizerResult ParsePrepend(const JsonCursor& json);
NormalizerResult ParseReplaceNormalizer(const JsonCursor& json);
NormalizerResult ParseSentencePiece(const JsonCursor& json);
NormalizerResult ParseStripNormalizer(const JsonCursor& json);
NormalizerResult ParseStripAccents(const JsonCursor& json);

// What several stages are made of.
std::unique_ptr<const Normalizer> MakeLowercase();
std::unique_ptr<const Normalizer> MakeNfd();
// Each character, with its bytes in the text, becomes what `map` appends.
using CharacterMap = void (*)(char32_t code, std::string_view bytes, std::string& out);
std::unique_ptr<const Normalizer> MakeCharacterStage(CharacterMap map);

}  // namespace ashlar::internal
