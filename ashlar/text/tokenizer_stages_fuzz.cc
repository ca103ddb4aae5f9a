// Tokenizers of every type of stage: the input's bytes choose the stages, their settings and the
// vocabulary out of tables, and what is left of them is the text.
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>

#include "ashlar/base/json.h"
#include "ashlar/text/internal/fuzz_choices.h"
#include "ashlar/text/internal/fuzz_tokenizer.h"

namespace ashlar::internal {
namespace {

// A "$B" is true or false, a "$T" is one of kTexts.
constexpr std::string_view kTexts[] = {"▁", " ", "a", "ab", "é", "##", "</w>", "<pad>", "\\n", ""};
constexpr std::string_view kNormalizers[] = {
    R"({"type": "BertNormalizer", "clean_text": $B, "handle_chinese_chars": $B,
        "strip_accents": $B, "lowercase": $B})",
    R"({"type": "ByteLevel"})",
    R"({"type": "Lowercase"})",
    R"({"type": "NFC"})",
    R"({"type": "NFD"})",
    R"({"type": "NFKC"})",
    R"({"type": "NFKD"})",
    R"({"type": "Nmt"})",
    R"({"type": "Precompiled", "precompiled_charsmap": "CAAAAAAAAAAAAAAA"})",
    R"({"type": "Prepend", "prepend": "$T"})",
    R"({"type": "Replace", "pattern": {"String": "$T"}, "content": "$T"})",
    R"({"type": "Replace", "pattern": {"Regex": " {2,}|\\s+$"}, "content": "$T"})",
    R"({"type": "SentencePiece", "precompiled_charsmap": "", "add_dummy_prefix": $B,
        "remove_extra_whitespaces": $B, "escape_whitespaces": $B,
        "treat_whitespace_as_suffix": $B, "user_defined": ["$T"]})",
    R"({"type": "Strip", "strip_left": $B, "strip_right": $B})",
    R"({"type": "StripAccents"})"};
constexpr std::string_view kPreTokenizers[] = {
    R"({"type": "BertPreTokenizer"})",
    R"({"type": "ByteLevel", "add_prefix_space": $B, "trim_offsets": $B, "use_regex": $B})",
    R"({"type": "CharDelimiterSplit", "delimiter": "$T"})",
    R"({"type": "Digits", "individual_digits": $B})",
    R"({"type": "FixedLength", "length": 3})",
    R"({"type": "Metaspace", "replacement": "$T", "add_prefix_space": $B, "split": $B})",
    R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": $B})",
    R"({"type": "Punctuation", "behavior": "MergedWithPrevious"})",
    R"({"type": "Split", "pattern": {"String": "$T"}, "behavior": "Removed", "invert": $B})",
    R"({"type": "Split", "pattern": {"Regex": "\\p{L}+(?=\\s)|\\d{1,3}"}, "behavior": "Isolated",
        "invert": $B})",
    R"({"type": "Split", "pattern": {"Regex": "$T"}, "behavior": "Contiguous", "invert": $B})",
    R"({"type": "UnicodeScripts"})",
    R"({"type": "Whitespace"})",
    R"({"type": "WhitespaceSplit"})"};
constexpr std::string_view kProcessors[] = {
    R"({"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]})",
    R"({"type": "ByteLevel", "add_prefix_space": $B, "trim_offsets": $B, "use_regex": $B})",
    R"({"type": "RobertaProcessing", "sep": ["a", 1], "cls": ["b", 2], "trim_offsets": $B,
        "add_prefix_space": $B})",
    R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "$T", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
        "special_tokens": {"a": {"id": "a", "ids": [1, 2], "tokens": ["a", "b"]}}})"};
constexpr std::string_view kDecoders[] = {
    R"({"type": "BPEDecoder", "suffix": "$T"})",
    R"({"type": "ByteFallback"})",
    R"({"type": "ByteLevel"})",
    R"({"type": "CTC", "pad_token": "$T", "word_delimiter_token": "$T", "cleanup": $B})",
    R"({"type": "Fuse"})",
    R"({"type": "Metaspace", "replacement": "$T", "add_prefix_space": $B})",
    R"({"type": "Replace", "pattern": {"String": "$T"}, "content": "$T"})",
    R"({"type": "Replace", "pattern": {"Regex": "a+|\\s$"}, "content": "$T"})",
    R"({"type": "Strip", "content": "$T", "start": 1, "stop": 2})",
    R"({"type": "WordPiece", "prefix": "$T", "cleanup": $B})"};
// A "$V" is the vocabulary as an object, a "$S" as an array with scores.
constexpr std::string_view kModels[] = {
    R"({"type": "BPE", "unk_token": "<unk>", "fuse_unk": $B, "byte_fallback": $B,
        "ignore_merges": $B, "vocab": $V, "merges": ["a b", "▁ a", "ab c"]})",
    R"({"type": "BPE", "continuing_subword_prefix": "##", "end_of_word_suffix": "</w>",
        "vocab": $V, "merges": []})",
    R"({"type": "WordLevel", "unk_token": "<unk>", "vocab": $V})",
    R"({"type": "WordPiece", "unk_token": "<unk>", "continuing_subword_prefix": "$T",
        "max_input_chars_per_word": 20, "vocab": $V})",
    R"({"type": "Unigram", "unk_id": 0, "byte_fallback": $B, "vocab": $S})",
    R"({"type": "SentencePieceUnigram", "unk_id": 0, "byte_fallback": $B, "vocab": $S,
        "unknown_score": -3, "single_precision": $B})",
    R"({"type": "SentencePieceBPE", "unk_id": 0, "byte_fallback": $B, "vocab": $S,
        "user_defined": [1, 5]})",
    R"({"type": "SentencePieceWord", "unk_id": 0, "byte_fallback": $B, "vocab": $S})"};
constexpr std::string_view kTokens[] = {
    "aa",     "abc", "▁a", "▁▁", "é", "##a", "a</w>", "##b</w>", "<0xC3>", "<0xA9>",
    "<0x-1>", "Ġ",   "Ã",  "▁",  " ", "c",   "12",    "<pad>",   "日本",   "x▁y"};

std::string Vocabulary(FuzzChoices& chooser, bool scores) {
  Json object = Json::Of({{"<unk>", 0}, {"a", 1}, {"b", 2}, {"ab", 3}});
  for (std::size_t i = chooser.Below(24); i > 0; --i) {
    object.Set(chooser.Of(kTokens), object.object()->size());
  }
  if (!scores) {
    return WriteJson(object);
  }
  Json array = Json::Array();
  for (const auto& [content, id] : *object.object()) {
    array.Append(Json::Array{content, -0.5 * static_cast<double>(chooser.Below(16))});
  }
  return WriteJson(array);
}

std::string Filled(std::string_view form, FuzzChoices& chooser) {
  std::string out;
  for (std::size_t at = 0; at < form.size(); ++at) {
    if (form[at] != '$' || at + 1 == form.size()) {
      out.push_back(form[at]);
      continue;
    }
    switch (form[++at]) {
      case 'B':
        out += chooser.Below(2) == 0 ? "true" : "false";
        break;
      case 'T':
        out += chooser.Of(kTexts);
        break;
      case 'V':
      case 'S':
        out += Vocabulary(chooser, form[at] == 'S');
        break;
      default:  // the end of a line, in a pattern
        out.push_back('$');
        out.push_back(form[at]);
    }
  }
  return out;
}

std::string Stages(std::string_view members, std::span<const std::string_view> forms,
                   FuzzChoices& chooser) {
  const std::size_t count = chooser.Below(4);
  if (count == 0) {
    return "null";
  }
  std::string list;
  for (std::size_t i = 0; i < count; ++i) {
    list += (i > 0 ? "," : "") + Filled(chooser.Of(forms), chooser);
  }
  return fmt::format(R"({{"type": "Sequence", "{}": [{}]}})", members, list);
}

}  // namespace
}  // namespace ashlar::internal

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ashlar::internal;
  FuzzChoices chooser(std::string_view(reinterpret_cast<const char*>(data), size));
  const std::string model = Filled(chooser.Of(kModels), chooser);
  const std::string normalizer = Stages("normalizers", kNormalizers, chooser);
  const std::string pre_tokenizer = Stages("pretokenizers", kPreTokenizers, chooser);
  const std::string post_processor = Stages("processors", kProcessors, chooser);
  const std::string decoder = Stages("decoders", kDecoders, chooser);
  const std::string added = Filled(
      R"([{"id": 100, "content": "$T", "single_word": $B, "lstrip": $B, "rstrip": $B,
           "normalized": $B, "special": $B}])",
      chooser);
  CheckTokenizer(
      fmt::format(R"({{"model": {}, "normalizer": {}, "pre_tokenizer": {}, "post_processor": {},
                       "decoder": {}, "added_tokens": {}}})",
                  model, normalizer, pre_tokenizer, post_processor, decoder,
                  chooser.Below(2) == 0 ? "[]" : added),
      chooser.rest());
  return 0;
}
