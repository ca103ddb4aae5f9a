// What tokenizers of every kind share on their way into a GGUF file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/json_cursor.h"
#include "ashlar/text/merge_order.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar::internal {

// How sentencepiece's tokens write a space.
inline constexpr std::string_view kSpaceMark = "▁";

// ggml's token types.
inline constexpr std::int32_t kUndefinedToken = 0;
inline constexpr std::int32_t kNormalToken = 1;
inline constexpr std::int32_t kUnknownToken = 2;
inline constexpr std::int32_t kControlToken = 3;
inline constexpr std::int32_t kUserDefinedToken = 4;
inline constexpr std::int32_t kUnusedToken = 5;
inline constexpr std::int32_t kByteToken = 6;

struct GgufTokens {  // by id
  std::vector<std::string> contents;
  std::vector<std::int32_t> types;
};

// A role's stages: none, one, or the members of a Sequence.
Result<std::vector<JsonCursor>> StagesOf(const JsonCursor& root, std::string_view role,
                                         std::string_view members);

// The merges of a BPE model that the Tokenizer has read.
Result<std::vector<TokenPair>> ReadMerges(const JsonCursor& model);

// kUnsupported when a BPE model has a setting that llama.cpp's lack.
Status CheckPlainBpe(const JsonCursor& model);

// Of tokens with marks for spaces: kUnsupported names a decoder of others.
Status CheckMarkDecoders(const JsonCursor& root);
// Adds a remark where llama.cpp, which puts a space in front of texts if `space_prefix`, makes
// another text of such tokens than the tokenizer.
void RemarkOnDecoder(const Tokenizer& tokenizer, const GgufTokens& tokens, bool space_prefix,
                     std::vector<std::string>& remarks);

}  // namespace ashlar::internal
