// The names by which GGUF files say how text is cut before BPE (tokenizer.ggml.pre).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ashlar/base/result.h"

namespace ashlar {

// How ByteLevel cuts when it is asked to: GPT-2's words (encoder.py).
inline constexpr std::string_view kByteLevelWords =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Runs of what the stage Punctuation cuts out: \p{P} and the rest of ASCII's.
inline constexpr std::string_view kPunctuationRuns = R"([\p{P}\$\+<=>\^~\|`]+)";
inline constexpr std::string_view kThreeDigits = "[0-9][0-9][0-9]";

// In what the tokens of a vocabulary are spelled.
enum class GgufSpelling : std::uint8_t {
  kBytes,       // GPT-2's alphabet, a letter for each byte
  kCharacters,  // characters; bytes of those that are no tokens as <0xE2>; white space is left out
  kMarkedSpaces,  // likewise, with "▁" for a space
};

// What a name means. Each pattern cuts the pieces of the one before, at its matches and at what
// lies between them; they are in Oniguruma's syntax, as in a tokenizer.json.
struct GgufPreTokenizer {
  std::string_view names;  // with spaces between them
  std::span<const std::string_view> patterns;
  bool ignore_merges = false;  // a piece that is a token is taken whole
  bool add_bos = false;        // unless the file says otherwise
  GgufSpelling spelling = GgufSpelling::kBytes;
  bool whole_newlines = false;  // newlines in a row are one token where there is one for them
};

// kUnsupported, naming it, for a name that this version does not have. An empty one is "default".
Result<const GgufPreTokenizer*> FindGgufPreTokenizer(std::string_view name);

// A name for these patterns before byte-level BPE; nothing when there is none.
std::optional<std::string_view> GgufPreTokenizerName(std::span<const std::string> patterns,
                                                     bool ignore_merges);

}  // namespace ashlar
