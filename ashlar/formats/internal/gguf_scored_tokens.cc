#include "ashlar/formats/internal/gguf_scored_tokens.h"

#include <algorithm>
#include <unordered_map>

namespace ashlar::internal {
namespace {

bool IsLiteral(const JsonCursor& stage, std::string_view key, std::string_view text) {
  const Json* const value = stage.value().Find(key);
  const Json* const literal = value == nullptr ? nullptr : value->Find("String");
  return literal != nullptr && *literal == Json(text);
}

// What stands before the model: how spaces are written, and where one is added.
class Spaces {
 public:
  Status Read(const JsonCursor& root) {
    ASHLAR_TRY(const auto normalizers, StagesOf(root, "normalizer", "normalizers"));
    for (const JsonCursor& stage : normalizers) {
      ASHLAR_TRY(ReadNormalizer(stage));
    }
    ASHLAR_TRY(const auto cutters, StagesOf(root, "pre_tokenizer", "pretokenizers"));
    for (const JsonCursor& stage : cutters) {
      ASHLAR_TRY(ReadPreTokenizer(stage));
    }
    if (!marked_) {
      return Unsupported("{}: llama.cpp writes spaces as {}, and this does not", root.path(),
                         kSpaceMark);
    }
    return CheckMarkDecoders(root);
  }

  bool prefix() const { return prefix_; }
  bool words_apart() const { return words_apart_; }
  std::vector<std::string> TakeRemarks() { return std::move(remarks_); }

 private:
  Status ReadNormalizer(const JsonCursor& stage) {
    ASHLAR_TRY(const std::string type, stage.String("type"));
    if (type == "Prepend" && stage.value().Find("prepend") != nullptr &&
        *stage.value().Find("prepend") == Json(kSpaceMark)) {
      prefix_ = true;
      return {};
    }
    if (type == "Replace" && IsLiteral(stage, "pattern", " ") &&
        *stage.value().Find("content") == Json(kSpaceMark)) {
      marked_ = true;
      return {};
    }
    if (type != "SentencePiece") {
      return Unsupported("{}: llama.cpp has no normalizer like this {} for scored tokens",
                         stage.path(), type);
    }
    ASHLAR_TRY(const std::string charsmap, stage.StringOr("precompiled_charsmap", ""));
    if (!charsmap.empty()) {
      return Unsupported("{}.precompiled_charsmap: llama.cpp applies none to scored tokens",
                         stage.path());
    }
    for (const char* key : {"remove_extra_whitespaces", "treat_whitespace_as_suffix"}) {
      ASHLAR_TRY(const bool set, stage.Bool(key));
      if (set) {
        return Unsupported("{}.{}: llama.cpp cannot do this", stage.path(), key);
      }
    }
    ASHLAR_TRY(prefix_, stage.Bool("add_dummy_prefix"));
    ASHLAR_TRY(marked_, stage.Bool("escape_whitespaces"));
    return {};
  }

  Status ReadPreTokenizer(const JsonCursor& stage) {
    ASHLAR_TRY(const std::string type, stage.String("type"));
    if (type == "Split" && marked_ && IsLiteral(stage, "pattern", " ")) {
      return {};  // no space is left to cut at
    }
    if (type != "Metaspace") {
      return Unsupported("{}: llama.cpp has no pre-tokenizer {} for scored tokens", stage.path(),
                         type);
    }
    ASHLAR_TRY(const std::string mark, stage.StringOr("replacement", kSpaceMark));
    if (mark != kSpaceMark) {
      return Unsupported("{}.replacement: llama.cpp writes spaces as {}", stage.path(), kSpaceMark);
    }
    marked_ = true;
    ASHLAR_TRY(const bool old_prefix, stage.BoolOr("add_prefix_space", true));
    ASHLAR_TRY(const std::string scheme,
               stage.StringOr("prepend_scheme", old_prefix ? "always" : "never"));
    ASHLAR_TRY(words_apart_, stage.BoolOr("split", true));
    if (scheme != "never") {
      prefix_ = true;
      remarks_.push_back(
          "llama.cpp puts a space in front of a text that begins with one, which the tokenizer "
          "does not: such a text gets other tokens");
    }
    if (scheme == "first") {
      remarks_.push_back(
          "llama.cpp puts a space in front of text behind a marker, which the tokenizer does not: "
          "such text gets other tokens");
    }
    return {};
  }

  bool marked_ = false;
  bool prefix_ = false;
  bool words_apart_ = false;  // each mark begins a piece of text
  std::vector<std::string> remarks_;
};

// Of the model BPE.
Status ReadMergedTokens(const JsonCursor& model, GgufTokens& tokens, GgufScoredTokens& to) {
  ASHLAR_TRY(CheckPlainBpe(model));
  ASHLAR_TRY(const bool whole, model.BoolOr("ignore_merges", false));
  if (whole) {
    return Unsupported("{}.ignore_merges: llama.cpp takes no token of scores whole", model.path());
  }
  ASHLAR_TRY(const std::vector<TokenPair> merges, ReadMerges(model));
  std::vector<bool> in_no_text;
  for (std::size_t id = 0; id < tokens.contents.size(); ++id) {
    // Texts are cut at such tokens. (A mark is what a space of a text may have become.)
    const std::int32_t type = tokens.types[id];
    const bool added = type == kUnknownToken || type == kControlToken || type == kUserDefinedToken;
    in_no_text.push_back(added && tokens.contents[id].find(kSpaceMark) == std::string::npos);
  }
  Result<std::vector<float>> scores = ScoresOfMerges(tokens.contents, merges, in_no_text);
  if (!scores.ok()) {
    return scores.error().In(fmt::format("{}: GGUF has scores instead of merges", model.path()));
  }
  to.scores = *std::move(scores);
  ASHLAR_TRY(const std::string unknown, model.StringOr("unk_token", ""));
  const auto found = std::ranges::find(tokens.contents, unknown);
  if (!unknown.empty() && found != tokens.contents.end()) {
    to.unknown = static_cast<std::int32_t>(found - tokens.contents.begin());
  }
  return {};
}

// Of the model SentencePieceBPE, whose members the Tokenizer has read.
Status ReadPieces(const JsonCursor& model, GgufTokens& tokens, GgufScoredTokens& to) {
  ASHLAR_TRY(const JsonCursor list, model.At("vocab"));
  to.scores.assign(tokens.contents.size(), kNoTokenScore);
  std::size_t id = 0;
  for (const Json& entry : *list.value().array()) {
    const Json::Array& pair = *entry.array();
    if (pair.size() > 1 && id < to.scores.size()) {
      const Json& score = pair[1];
      to.scores[id] = static_cast<float>(
          score.real() != nullptr ? *score.real() : static_cast<double>(*score.integer()));
    }
    ++id;
  }
  ASHLAR_TRY(const auto unknown, model.Find("unk_id"));
  if (unknown) {
    to.unknown = static_cast<std::int32_t>(*unknown->value().integer());
  }
  ASHLAR_TRY(const auto user_defined, model.Find("user_defined"));
  if (user_defined) {
    for (const Json& element : *user_defined->value().array()) {
      tokens.types[static_cast<std::size_t>(*element.integer())] = kUserDefinedToken;
    }
    if (to.space_prefix && !user_defined->value().array()->empty()) {
      to.remarks.push_back(
          "llama.cpp puts a space in front of text behind a user-defined token, which the "
          "tokenizer does not: such text gets other tokens");
    }
  }
  return {};
}

Status SetByteTypes(const JsonCursor& model, GgufTokens& tokens) {
  std::unordered_map<std::string_view, std::size_t> ids;
  for (std::size_t id = 0; id < tokens.contents.size(); ++id) {
    ids.emplace(tokens.contents[id], id);
  }
  for (int byte = 0; byte < 256; ++byte) {
    const std::string content = fmt::format("<0x{:02X}>", byte);
    const auto found = ids.find(content);
    if (found == ids.end()) {
      return Unsupported("{}: llama.cpp needs a token for every byte, and {} is missing",
                         model.path(), content);
    }
    tokens.types[found->second] = kByteToken;
  }
  return {};
}

}  // namespace

Result<GgufScoredTokens> ReadScoredTokens(const JsonCursor& root, GgufTokens& tokens) {
  Spaces spaces;
  ASHLAR_TRY(spaces.Read(root));
  GgufScoredTokens result{.space_prefix = spaces.prefix(), .remarks = spaces.TakeRemarks()};
  ASHLAR_TRY(const JsonCursor model, root.At("model"));
  ASHLAR_TRY(SetByteTypes(model, tokens));
  ASHLAR_TRY(const std::string type, model.StringOr("type", "BPE"));
  ASHLAR_TRY(type == "BPE" ? ReadMergedTokens(model, tokens, result)
                           : ReadPieces(model, tokens, result));
  if (result.unknown) {
    tokens.types[static_cast<std::size_t>(*result.unknown)] = kUnknownToken;
  }
  float lowest = 0;
  for (std::size_t id = 0; id < tokens.contents.size(); ++id) {
    const float score = result.scores[id];
    if (score == kNoTokenScore) {
      continue;
    }
    lowest = std::min(lowest, score);
    if (spaces.words_apart() && tokens.contents[id].find(kSpaceMark, 1) != std::string::npos) {
      return Unsupported(
          "{}: llama.cpp would join {} across words, which the tokenizer keeps apart", model.path(),
          QuoteForError(tokens.contents[id]));
    }
  }
  std::ranges::replace(result.scores, kNoTokenScore, lowest - 1);
  return result;
}

}  // namespace ashlar::internal
