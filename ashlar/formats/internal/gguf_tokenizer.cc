#include "ashlar/formats/internal/gguf_tokenizer.h"

#include <algorithm>
#include <set>

#include "ashlar/base/join.h"
#include "ashlar/base/json_cursor.h"
#include "ashlar/formats/internal/gguf_ends.h"
#include "ashlar/formats/internal/gguf_scored_tokens.h"
#include "ashlar/formats/internal/gguf_token_flags.h"
#include "ashlar/formats/internal/gguf_tokens.h"
#include "ashlar/formats/internal/gguf_unigram_tokens.h"
#include "ashlar/text/gguf_pre_tokenizers.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar::internal {
namespace {

// The pattern of a stage that cuts as GGUF's names do; nothing for another one.
Result<std::optional<std::string>> PatternOf(const JsonCursor& stage) {
  ASHLAR_TRY(const std::string type, stage.String("type"));
  if (type == "Digits") {
    ASHLAR_TRY(const bool one_by_one, stage.BoolOr("individual_digits", false));
    return one_by_one ? std::optional<std::string>(R"(\p{N})") : std::nullopt;
  }
  if (type == "Punctuation") {
    ASHLAR_TRY(const std::string behavior, stage.StringOr("behavior", "Isolated"));
    return behavior == "Contiguous" ? std::optional<std::string>(kPunctuationRuns) : std::nullopt;
  }
  if (type != "Split") {
    return std::nullopt;
  }
  ASHLAR_TRY(const JsonCursor how, stage.At("pattern"));
  ASHLAR_TRY(const std::string behavior, stage.String("behavior"));
  ASHLAR_TRY(const bool invert, stage.BoolOr("invert", false));
  if (how.value().Find("Regex") == nullptr || behavior != "Isolated" || invert) {
    return std::nullopt;
  }
  ASHLAR_TRY(std::string pattern, how.String("Regex"));
  return std::optional(std::move(pattern));
}

// Behind ByteLevel a stage sees letters that spell bytes, of which these spell digits to it.
constexpr std::string_view kLettersLikeDigits[] = {"0", "1", "2", "3", "4", "5", "6", "7",
                                                   "8", "9", "²", "³", "¹", "¼", "½", "¾"};
bool IsLikeADigit(std::string_view text, bool at_end) {
  return std::ranges::any_of(kLettersLikeDigits, [&](std::string_view letter) {
    return at_end ? text.ends_with(letter) : text.starts_with(letter);
  });
}

// Whether no merge joins a digit with something else, so that a cut between the two changes
// nothing.
bool KeepDigitsApart(const std::vector<TokenPair>& merges) {
  return std::ranges::none_of(merges, [](const TokenPair& merge) {
    return IsLikeADigit(merge.first, /*at_end=*/true) !=
           IsLikeADigit(merge.second, /*at_end=*/false);
  });
}

// The pattern of a stage behind ByteLevel; empty when it cuts only where nothing joins anyway, and
// nothing when GGUF, which cuts before bytes are spelled, cannot say it.
Result<std::optional<std::string>> PatternOfSpelledBytes(const JsonCursor& stage,
                                                         const std::vector<TokenPair>& merges) {
  ASHLAR_TRY(const std::string type, stage.String("type"));
  if (type == "Digits") {
    ASHLAR_TRY(const bool one_by_one, stage.BoolOr("individual_digits", false));
    return !one_by_one && KeepDigitsApart(merges) ? std::optional<std::string>("") : std::nullopt;
  }
  ASHLAR_TRY(std::optional<std::string> pattern, PatternOf(stage));
  return pattern == kThreeDigits ? pattern : std::nullopt;  // which bytes spell as they are
}

Result<std::string_view> NameOfPreTokenizer(const JsonCursor& root, bool ignore_merges,
                                            const std::vector<TokenPair>& merges) {
  const Error no_name = Unsupported(
      "{}.pre_tokenizer: llama.cpp has no name for this way of cutting text", root.path());
  ASHLAR_TRY(const auto stages, StagesOf(root, "pre_tokenizer", "pretokenizers"));
  std::vector<std::string> patterns;
  bool spelled = false;
  for (const JsonCursor& stage : stages) {
    ASHLAR_TRY(const std::string type, stage.String("type"));
    if (type != "ByteLevel") {
      ASHLAR_TRY(std::optional<std::string> pattern,
                 spelled ? PatternOfSpelledBytes(stage, merges) : PatternOf(stage));
      if (!pattern) {
        return no_name;
      }
      if (!pattern->empty()) {
        patterns.push_back(*std::move(pattern));
      }
      continue;
    }
    ASHLAR_TRY(const bool space, stage.BoolOr("add_prefix_space", true));
    ASHLAR_TRY(const bool own_pattern, stage.BoolOr("use_regex", true));
    if (spelled || space) {
      return no_name;
    }
    if (own_pattern) {
      patterns.emplace_back(kByteLevelWords);
    }
    spelled = true;
  }
  const std::optional<std::string_view> name = GgufPreTokenizerName(patterns, ignore_merges);
  if (!spelled || !name) {
    return no_name;
  }
  return *name;
}

// kUnsupported names a stage that llama.cpp does not have around byte-level BPE.
Status CheckByteLevelStages(const JsonCursor& root, GgufTokenizer& tokenizer) {
  ASHLAR_TRY(const auto normalizers, StagesOf(root, "normalizer", "normalizers"));
  for (const JsonCursor& stage : normalizers) {
    ASHLAR_TRY(const std::string type, stage.String("type"));
    if (type != "NFC") {
      return Unsupported("{}: llama.cpp has no normalizer {} for byte-level BPE", stage.path(),
                         type);
    }
    tokenizer.remarks.push_back(
        "llama.cpp does not bring text into the form NFC, which the tokenizer asks for: text in "
        "another form may get other tokens");
  }
  ASHLAR_TRY(const auto decoders, StagesOf(root, "decoder", "decoders"));
  for (const JsonCursor& stage : decoders) {
    ASHLAR_TRY(const std::string type, stage.String("type"));
    if (type != "ByteLevel") {
      return Unsupported(
          "{}: llama.cpp decodes BPE without byte_fallback by ByteLevel, and this is {}",
          stage.path(), type);
    }
  }
  ASHLAR_TRY(const JsonCursor model, root.At("model"));
  return CheckPlainBpe(model);
}

Result<GgufTokens> ReadTokens(const JsonCursor& root, const Tokenizer& tokenizer,
                              std::int64_t ids) {
  std::set<std::int64_t> added;
  ASHLAR_TRY(const std::optional<JsonCursor> list, root.Find("added_tokens"));
  if (list) {
    ASHLAR_TRY(const std::vector<JsonCursor> entries, list->AsArray());
    for (const JsonCursor& entry : entries) {
      ASHLAR_TRY(const std::int64_t id, entry.Integer("id", 0, Tokenizer::kMaxTokenId));
      added.insert(id);
    }
  }
  GgufTokens tokens;
  for (std::int32_t id = 0; id < ids; ++id) {
    std::string content(tokenizer.TokenContent(id));
    const bool unused = content.empty();
    if (unused) {
      content = fmt::format("[PAD{}]", id);
      while (tokenizer.TokenId(content)) {
        content += "_";
      }
    }
    tokens.contents.push_back(std::move(content));
    tokens.types.push_back(unused                    ? kUnusedToken
                           : tokenizer.IsSpecial(id) ? kControlToken
                           : added.contains(id)      ? kUserDefinedToken
                                                     : kNormalToken);
  }
  return tokens;
}

// What the post-processor puts around a text; seen by encoding one.
struct Surroundings {
  std::vector<std::int32_t> before, after;
};
Result<Surroundings> ReadSurroundings(const Tokenizer& tokenizer) {
  ASHLAR_TRY(const auto bare, tokenizer.Encode("a", {.add_special_tokens = false}));
  ASHLAR_TRY(const auto whole, tokenizer.Encode("a"));
  const auto at = std::search(whole.begin(), whole.end(), bare.begin(), bare.end());
  Surroundings around{.before = {whole.begin(), at}, .after = {at + std::ssize(bare), whole.end()}};
  if (bare.empty() || around.before.size() > 1 || around.after.size() > 1) {
    return Unsupported("GGUF has no place for the {} tokens before a text and {} after it",
                       around.before.size(), around.after.size());
  }
  return around;
}

// What a text ends with is its end, before what the network says.
void AddEnds(const Metadata& network, std::span<const std::int32_t> after, GgufMetadata& to) {
  std::vector<std::int64_t> ends(after.begin(), after.end());
  for (const std::int64_t id : network.eos_tokens) {
    if (ends.size() == std::size(kGgufEndKeys)) {
      break;  // GGUF has no place for more, and a network may have very many
    }
    if (std::ranges::find(ends, id) == ends.end()) {
      ends.push_back(id);
    }
  }
  for (std::size_t i = 0; i < ends.size(); ++i) {
    to.emplace_back(fmt::format("tokenizer.ggml.{}", kGgufEndKeys[i]),
                    static_cast<std::uint32_t>(ends[i]));
  }
}

// Byte-level BPE.
Status AddMergedTokens(const JsonCursor& root, const Tokenizer& /*tokenizer*/, GgufTokens tokens,
                       GgufTokenizer& to) {
  ASHLAR_TRY(CheckByteLevelStages(root, to));
  ASHLAR_TRY(const JsonCursor model, root.At("model"));
  ASHLAR_TRY(const bool ignore_merges, model.BoolOr("ignore_merges", false));
  ASHLAR_TRY(const std::vector<TokenPair> merges, ReadMerges(model));
  ASHLAR_TRY(const std::string_view pre_tokenizer, NameOfPreTokenizer(root, ignore_merges, merges));
  std::vector<std::string> lines;
  lines.reserve(merges.size());
  for (const auto& [left, right] : merges) {
    if (left.find(' ') != left.npos || right.find(' ') != right.npos) {
      return Unsupported("{}.merges: GGUF cannot hold a merge of tokens with spaces, as {} and {}",
                         model.path(), QuoteForError(left), QuoteForError(right));
    }
    lines.push_back(fmt::format("{} {}", left, right));
  }
  to.metadata.emplace_back("tokenizer.ggml.model", std::string("gpt2"));
  to.metadata.emplace_back("tokenizer.ggml.pre", std::string(pre_tokenizer));
  to.metadata.emplace_back("tokenizer.ggml.tokens", std::move(tokens.contents));
  to.metadata.emplace_back("tokenizer.ggml.token_type", std::move(tokens.types));
  to.metadata.emplace_back("tokenizer.ggml.merges", std::move(lines));
  return {};
}

// Sentencepiece's BPE.
Status AddScoredTokens(const JsonCursor& root, const Tokenizer& tokenizer, GgufTokens tokens,
                       GgufTokenizer& to) {
  ASHLAR_TRY(GgufScoredTokens scored, ReadScoredTokens(root, tokens));
  to.remarks = std::move(scored.remarks);
  RemarkOnDecoder(tokenizer, tokens, scored.space_prefix, to.remarks);
  to.metadata.emplace_back("tokenizer.ggml.model", std::string(kScoredTokensModel));
  to.metadata.emplace_back("tokenizer.ggml.pre", std::string("default"));
  to.metadata.emplace_back("tokenizer.ggml.tokens", std::move(tokens.contents));
  to.metadata.emplace_back("tokenizer.ggml.scores", std::move(scored.scores));
  to.metadata.emplace_back("tokenizer.ggml.token_type", std::move(tokens.types));
  to.metadata.emplace_back("tokenizer.ggml.add_space_prefix", scored.space_prefix);
  if (scored.unknown) {
    to.metadata.emplace_back("tokenizer.ggml.unknown_token_id",
                             static_cast<std::uint32_t>(*scored.unknown));
  }
  return {};
}

// Sentencepiece's Unigram.
Status AddUnigramTokens(const JsonCursor& root, const Tokenizer& tokenizer, GgufTokens tokens,
                        GgufTokenizer& to) {
  ASHLAR_TRY(GgufUnigramTokens unigram, ReadUnigramTokens(root, tokens));
  to.remarks = std::move(unigram.remarks);
  RemarkOnDecoder(tokenizer, tokens, unigram.space_prefix, to.remarks);
  to.metadata.emplace_back("tokenizer.ggml.model", std::string("t5"));
  to.metadata.emplace_back("tokenizer.ggml.pre", std::string("default"));
  to.metadata.emplace_back("tokenizer.ggml.tokens", std::move(tokens.contents));
  to.metadata.emplace_back("tokenizer.ggml.scores", std::move(unigram.scores));
  to.metadata.emplace_back("tokenizer.ggml.token_type", std::move(tokens.types));
  to.metadata.emplace_back("tokenizer.ggml.add_space_prefix", unigram.space_prefix);
  to.metadata.emplace_back("tokenizer.ggml.remove_extra_whitespaces", unigram.joins_spaces);
  to.metadata.emplace_back("tokenizer.ggml.unknown_token_id",
                           static_cast<std::uint32_t>(unigram.unknown));
  if (!unigram.charsmap.empty()) {
    to.metadata.emplace_back("tokenizer.ggml.precompiled_charsmap", std::move(unigram.charsmap));
  }
  return {};
}

// A kind of tokenizer that GGUF has a model for.
struct Kind {
  std::string_view name;
  std::string_view model;             // its type in a tokenizer.json
  std::optional<bool> byte_fallback;  // none: either
  Status (*add)(const JsonCursor& root, const Tokenizer& tokenizer, GgufTokens tokens,
                GgufTokenizer& to);
};
constexpr Kind kKinds[] = {
    {"byte-level BPE", "BPE", false, AddMergedTokens},
    {"BPE with byte_fallback", "BPE", true, AddScoredTokens},
    {"SentencePieceBPE", "SentencePieceBPE", std::nullopt, AddScoredTokens},
    {"SentencePieceUnigram", "SentencePieceUnigram", std::nullopt, AddUnigramTokens},
};

Result<const Kind*> FindKind(const JsonCursor& root) {
  ASHLAR_TRY(const JsonCursor model, root.At("model"));
  ASHLAR_TRY(const std::string type, model.StringOr("type", "BPE"));
  ASHLAR_TRY(const bool byte_fallback, model.BoolOr("byte_fallback", false));
  std::vector<std::string_view> known;
  for (const Kind& kind : kKinds) {
    if (kind.model == type && kind.byte_fallback.value_or(byte_fallback) == byte_fallback) {
      return &kind;
    }
    known.push_back(kind.name);
  }
  return Unsupported("{}: a model of the type {} cannot be written into a GGUF file; known: {}",
                     model.path(), type, Join(known, ", "));
}

}  // namespace

Result<GgufTokenizer> ReadGgufTokenizer(std::string_view tokenizer_json, const Metadata& network,
                                        std::int64_t ids, std::string_view name) {
  ASHLAR_TRY(const Tokenizer tokenizer, Tokenizer::FromJson(tokenizer_json));
  if (tokenizer.vocabulary_size() > ids) {
    return Invalid("tokenizer.json gives ids up to {}, but the network reads {}",
                   tokenizer.vocabulary_size() - 1, ids);
  }
  ASHLAR_TRY(const Json json, ParseJson(tokenizer_json));
  const JsonCursor root(json, "tokenizer.json");
  GgufTokenizer result;
  ASHLAR_TRY(const Kind* kind, FindKind(root));
  ASHLAR_TRY(GgufTokens tokens, ReadTokens(root, tokenizer, ids));
  ASHLAR_TRY(GgufFileName named, NameOfTokenFlags(root, tokens, name));
  ASHLAR_TRY(kind->add(root, tokenizer, std::move(tokens), result));
  result.remarks.insert(result.remarks.end(), named.remarks.begin(), named.remarks.end());
  if (!named.name.empty()) {
    result.metadata.emplace_back(kGeneralName, std::move(named.name));
  }
  ASHLAR_TRY(const Surroundings around, ReadSurroundings(tokenizer));
  if (!around.before.empty() || network.bos_token) {
    const std::int64_t id = around.before.empty() ? *network.bos_token : around.before.front();
    result.metadata.emplace_back("tokenizer.ggml.bos_token_id", static_cast<std::uint32_t>(id));
  }
  AddEnds(network, around.after, result.metadata);
  result.metadata.emplace_back("tokenizer.ggml.add_bos_token", !around.before.empty());
  result.metadata.emplace_back("tokenizer.ggml.add_eos_token", !around.after.empty());
  return result;
}

GgufMetadata NoGgufTokenizer(const Metadata& network) {
  GgufMetadata metadata = {{"tokenizer.ggml.model", std::string("none")}};
  if (network.bos_token) {
    metadata.emplace_back("tokenizer.ggml.bos_token_id",
                          static_cast<std::uint32_t>(*network.bos_token));
  }
  AddEnds(network, {}, metadata);
  return metadata;
}

}  // namespace ashlar::internal
