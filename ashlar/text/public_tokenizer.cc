#include "ashlar/text/public_tokenizer.h"

#include <set>
#include <vector>

#include "ashlar/base/json_cursor.h"
#include "ashlar/text/internal/tokenizer_json.h"
#include "ashlar/text/merge_order.h"
#include "ashlar/text/models/scored_pieces.h"

namespace ashlar {
namespace {

using namespace internal;  // NOLINT: the parts of a tokenizer.json are this file's subject

std::string ByteToken(int byte) {
  return fmt::format("<0x{:02X}>", byte);
}

// SentencePieceBPE as BPE.
Result<std::optional<Json>> PublicModel(const JsonCursor& model) {
  ASHLAR_TRY(const bool byte_fallback, model.BoolOr("byte_fallback", false));
  ASHLAR_TRY(const auto user_defined, model.Find("user_defined"));
  ASHLAR_TRY(const auto unknown, model.Find("unk_id"));
  if (!byte_fallback || !unknown || (user_defined && !user_defined->value().array()->empty())) {
    return std::optional<Json>();
  }
  std::vector<std::string> tokens;
  std::vector<float> scores;
  Json::Object ids;  // (Json::Set would look for each among all before it.)
  ASHLAR_TRY(const JsonCursor vocab, model.At("vocab"));
  for (const Json& entry : *vocab.value().array()) {  // as the Tokenizer has read them
    const Json::Array& pair = *entry.array();
    ids.emplace_back(*pair[0].string(), tokens.size());
    tokens.push_back(*pair[0].string());
    scores.push_back(pair.size() == 1            ? kNoTokenScore
                     : pair[1].real() != nullptr ? static_cast<float>(*pair[1].real())
                                                 : static_cast<float>(*pair[1].integer()));
  }
  // BPE's unknown characters are other than sentencepiece's, so that there must be none; and what a
  // byte's token stands for has no part in a join.
  std::set<std::string_view> known(tokens.begin(), tokens.end());
  std::set<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) {
    bytes.insert(ByteToken(byte));
    if (!known.contains(ByteToken(byte))) {
      return std::optional<Json>();
    }
  }
  const auto merges = MergesOfScores(tokens, scores);
  if (!merges.ok()) {
    return std::optional<Json>();
  }
  Json pairs = Json::Array();
  for (const auto& [left, right] : *merges) {
    if (bytes.contains(left) || bytes.contains(right)) {
      return std::optional<Json>();
    }
    pairs.Append(Json::Array{left, right});
  }
  const auto id = static_cast<std::size_t>(*unknown->value().integer());
  return std::optional(Json::Of({{"type", "BPE"},
                                 {"dropout", nullptr},
                                 {"unk_token", tokens[id]},
                                 {"continuing_subword_prefix", nullptr},
                                 {"end_of_word_suffix", nullptr},
                                 {"fuse_unk", true},
                                 {"byte_fallback", true},
                                 {"ignore_merges", false},
                                 {"vocab", std::move(ids)},
                                 {"merges", std::move(pairs)}}));
}

// SentencePiece, where it has neither a map nor takes spaces away, as Prepend and Replace.
Result<std::optional<Json>> PublicNormalizer(const JsonCursor& stage) {
  ASHLAR_TRY(const std::string charsmap, stage.StringOr("precompiled_charsmap", ""));
  ASHLAR_TRY(const bool prefix, stage.Bool("add_dummy_prefix"));
  ASHLAR_TRY(const bool joins, stage.Bool("remove_extra_whitespaces"));
  ASHLAR_TRY(const bool marks, stage.Bool("escape_whitespaces"));
  ASHLAR_TRY(const bool suffix, stage.Bool("treat_whitespace_as_suffix"));
  if (!charsmap.empty() || joins || !marks || suffix) {
    return std::optional<Json>();
  }
  return std::optional(MarkedSpacesJson(prefix));
}

}  // namespace

Result<std::optional<std::string>> PublicTokenizerJson(std::string_view tokenizer_json) {
  ASHLAR_TRY(Json json, ParseJson(tokenizer_json));
  const JsonCursor root(json, "tokenizer.json");
  struct Stage {
    std::string_view role, type;
    Result<std::optional<Json>> (*as_public)(const JsonCursor& stage);
  };
  constexpr Stage kStages[] = {{"normalizer", "SentencePiece", PublicNormalizer},
                               {"model", "SentencePieceBPE", PublicModel}};
  std::vector<std::pair<std::string_view, Json>> changed;
  for (const Stage& row : kStages) {
    ASHLAR_TRY(const auto stage, root.Find(row.role));
    const Json* const type = stage ? stage->value().Find("type") : nullptr;
    if (type == nullptr || *type != Json(row.type)) {
      continue;
    }
    ASHLAR_TRY(std::optional<Json> other, row.as_public(*stage));
    if (!other) {
      return std::optional<std::string>();
    }
    changed.emplace_back(row.role, *std::move(other));
  }
  for (auto& [role, stage] : changed) {
    json.Set(role, std::move(stage));
  }
  const Json* const model = json.Find("model");
  const Json* const type = model == nullptr ? nullptr : model->Find("type");
  const bool own =
      type != nullptr && type->string() != nullptr && type->string()->starts_with("SentencePiece");
  if (changed.empty() || own) {
    return std::optional<std::string>();
  }
  return std::optional(CanonicalJson(json));
}

}  // namespace ashlar
