#include "ashlar/formats/internal/gguf_unigram_tokens.h"

#include <algorithm>
#include <limits>
#include <unordered_set>

#include "ashlar/text/base64.h"
#include "ashlar/text/models/scored_pieces.h"

namespace ashlar::internal {
namespace {

Status RequireSetting(const JsonCursor& object, std::string_view key, bool wanted) {
  ASHLAR_TRY(const bool found, object.BoolOr(key, false));
  return found == wanted ? Status()
                         : Status(Unsupported("{}.{} is {}: llama.cpp's Unigram cannot do this",
                                              object.path(), key, found));
}

// The one stage before the model.
Result<JsonCursor> NormalizerOf(const JsonCursor& root) {
  ASHLAR_TRY(const auto cutters, StagesOf(root, "pre_tokenizer", "pretokenizers"));
  ASHLAR_TRY(const auto normalizers, StagesOf(root, "normalizer", "normalizers"));
  std::string type;
  if (normalizers.size() == 1) {
    ASHLAR_TRY(type, normalizers.front().String("type"));
  }
  if (type != "SentencePiece" || !cutters.empty()) {
    return Unsupported(
        "{}: llama.cpp's Unigram has the normalizer SentencePiece before it and no pre-tokenizer, "
        "and this has others",
        root.path());
  }
  return normalizers.front();
}

Status ReadNormalizer(const JsonCursor& stage, GgufUnigramTokens& to) {
  ASHLAR_TRY(to.space_prefix, stage.Bool("add_dummy_prefix"));
  ASHLAR_TRY(to.joins_spaces, stage.Bool("remove_extra_whitespaces"));
  ASHLAR_TRY(RequireSetting(stage, "escape_whitespaces", true));
  ASHLAR_TRY(RequireSetting(stage, "treat_whitespace_as_suffix", false));
  if (to.joins_spaces) {  // each word has one in front then
    ASHLAR_TRY(RequireSetting(stage, "add_dummy_prefix", true));
  } else if (to.space_prefix) {
    to.remarks.push_back(
        "llama.cpp puts a space in front of a text only before its first character that is none, "
        "and the tokenizer always: text of spaces alone gets other tokens");
  }
  ASHLAR_TRY(const std::string charsmap, stage.StringOr("precompiled_charsmap", ""));
  ASHLAR_TRY(const std::string bytes, FromBase64(charsmap));
  to.charsmap.assign(bytes.begin(), bytes.end());
  return {};
}

// Tokens that the normalizer leaves as they are written, and the model takes first.
Status ReadUserDefined(const JsonCursor& stage, GgufTokens& tokens, GgufUnigramTokens& to) {
  ASHLAR_TRY(const auto list, stage.Find("user_defined"));
  if (!list || list->value().array()->empty()) {
    return {};
  }
  std::unordered_set<std::string_view> contents;
  for (const Json& content : *list->value().array()) {
    contents.insert(*content.string());
  }
  for (std::size_t id = 0; id < tokens.contents.size(); ++id) {
    if (contents.contains(tokens.contents[id])) {
      tokens.types[id] = kUserDefinedToken;
    }
  }
  to.remarks.push_back(
      "llama.cpp cuts a text at user-defined tokens before anything else, and the tokenizer where "
      "their scores are best: text with one may get other tokens");
  return {};
}

}  // namespace

Result<GgufUnigramTokens> ReadUnigramTokens(const JsonCursor& root, GgufTokens& tokens) {
  GgufUnigramTokens result;
  ASHLAR_TRY(const JsonCursor normalizer, NormalizerOf(root));
  ASHLAR_TRY(ReadNormalizer(normalizer, result));
  ASHLAR_TRY(ReadUserDefined(normalizer, tokens, result));
  ASHLAR_TRY(CheckMarkDecoders(root));
  ASHLAR_TRY(const JsonCursor model, root.At("model"));
  ASHLAR_TRY(RequireSetting(model, "byte_fallback", false));
  ASHLAR_TRY(const auto unknown, model.Find("unk_id"));
  if (!unknown) {
    return Unsupported("{}.unk_id: llama.cpp's Unigram needs a token for unknown text",
                       model.path());
  }
  result.unknown = static_cast<std::int32_t>(*unknown->value().integer());
  tokens.types[static_cast<std::size_t>(result.unknown)] = kUnknownToken;

  result.scores.assign(tokens.contents.size(), 0);
  std::vector<bool> scored(tokens.contents.size());
  ASHLAR_TRY(const JsonCursor list, model.At("vocab"));
  const Json::Array& vocab = *list.value().array();  // the Tokenizer has read it
  float lowest = std::numeric_limits<float>::max();
  for (std::size_t id = 0; id < std::min(vocab.size(), scored.size()); ++id) {
    const Json::Array& piece = *vocab[id].array();
    if (piece.size() > 1) {
      const double* const real = piece[1].real();
      result.scores[id] =
          static_cast<float>(real != nullptr ? *real : static_cast<double>(*piece[1].integer()));
      scored[id] = true;
      if (tokens.types[id] == kNormalToken) {
        lowest = std::min(lowest, result.scores[id]);
      }
    }
  }
  for (std::size_t id = 0; id < scored.size(); ++id) {
    const bool of_texts = tokens.types[id] == kNormalToken || tokens.types[id] == kUnusedToken;
    if (of_texts && !scored[id]) {
      tokens.types[id] = kUndefinedToken;
    }
  }
  ASHLAR_TRY(const double unknown_score, model.Real("unknown_score"));
  if (unknown_score != static_cast<double>(lowest - kUnknownPenalty)) {
    return Unsupported("{}.unknown_score is {}: llama.cpp has {} less than the least score, {}",
                       model.path(), unknown_score, kUnknownPenalty, lowest);
  }
  ASHLAR_TRY(const bool single_precision, model.Bool("single_precision"));
  if (single_precision) {
    result.remarks.push_back(
        "llama.cpp adds scores up in double precision, and the tokenizer in single: where two ways "
        "to cut a text are equally good, it may take the other");
  }
  return result;
}

}  // namespace ashlar::internal
