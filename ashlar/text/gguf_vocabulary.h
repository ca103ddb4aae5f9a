// A GgufVocabulary is what the metadata of a GGUF file says of its tokenizer, and becomes a
// tokenizer.json that encodes as llama.cpp does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ashlar/base/result.h"
#include "ashlar/text/checked_tokenizer.h"

namespace ashlar {

// Each member is the value under "tokenizer.ggml." and its name, unless another key is given;
// empty or none when the file does not have it.
struct GgufVocabulary {
  std::string
      model;        // "gpt2", "gemma4", "whitespace" (BPE), "llama" (SPM), "bert" (WPM), "t5" (UGM)
  std::string pre;  // how text is cut before BPE: gguf_pre_tokenizers.h
  std::vector<std::string> tokens;
  std::vector<float> scores;              // by id, as many as tokens or more
  std::vector<std::int32_t> token_types;  // "token_type", likewise
  std::vector<std::string> merges;        // "left right"
  std::optional<std::int64_t> bos;        // "bos_token_id", or of a bert "cls_token_id"
  std::optional<std::int64_t> eos;        // "eos_token_id"
  std::optional<std::int64_t> unknown;    // "unknown_token_id"
  std::optional<std::int64_t> separator;  // "seperator_token_id", as the format spells it
  std::optional<bool> add_bos;            // "add_bos_token"
  std::optional<bool> add_eos;            // "add_eos_token"
  std::optional<bool> add_space_prefix;
  std::optional<bool> remove_extra_whitespaces;
  std::optional<bool> lowercase;      // "normalizer.lowercase"
  std::optional<bool> strip_accents;  // "normalizer.strip_accents"
  std::string precompiled_charsmap;
  std::string name;  // "general.name"
};

// GGUF cannot say that the white space behind a token is taken away: llama.cpp knows networks that
// do so by "general.name". Whether this is such a name, and the tokens of such a network that keep
// it.
bool GgufNameStripsRight(std::string_view name);
inline constexpr std::string_view kGgufKeepsRight[] = {"<unk>", "<s>", "<|endoftext|>"};

// A tokenizer.json (docs/formats/tokenizer.md), in canonical form. What the vocabulary leaves out
// has llama.cpp's default. kUnsupported for a model or a pre-tokenizer that this version does not
// have; kInvalid, naming the key, for tables that contradict each other.
Result<CheckedTokenizer> CheckedGgufTokenizer(const GgufVocabulary& vocabulary);
// Its text alone.
Result<std::string> GgufTokenizerJson(const GgufVocabulary& vocabulary);

}  // namespace ashlar
