// TemplateProcessing: the text's ids between fixed tokens, such as "<s> $A </s>". Encode takes
// one text, so the template for pairs is read for its form only. BertProcessing and
// RobertaProcessing are older spellings of "[CLS] $A [SEP]".
#include <algorithm>
#include <limits>

#include "ashlar/text/post_processors/post_processor.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar::internal {
namespace {

using Ids = std::vector<std::int32_t>;
using NamedIds = std::vector<std::pair<std::string, Ids>>;

constexpr std::size_t kMaxPieces = 256;

class Template final : public PostProcessor {
 public:
  Template(Ids before, Ids after) : before_(std::move(before)), after_(std::move(after)) {}

  void Apply(Ids& ids) const override {
    ids.insert(ids.begin(), before_.begin(), before_.end());
    ids.insert(ids.end(), after_.begin(), after_.end());
  }

  Ids added_ids() const override {
    Ids ids = before_;
    ids.insert(ids.end(), after_.begin(), after_.end());
    return ids;
  }

 private:
  Ids before_;
  Ids after_;
};

// {"[CLS]": {"id": "[CLS]", "ids": [1], "tokens": ["[CLS]"]}, ...}
Result<NamedIds> ParseSpecialTokens(const JsonCursor& json) {
  NamedIds tokens;
  ASHLAR_TRY(const std::optional<JsonCursor> object, json.Find("special_tokens"));
  if (!object.has_value()) {
    return tokens;
  }
  ASHLAR_TRY(const auto members, object->AsObject(kMaxPieces));
  for (const auto& [name, token] : members) {
    ASHLAR_TRY(token.AllowOnly({"id", "ids", "tokens"}));
    ASHLAR_TRY(const JsonCursor ids_json, token.At("ids"));
    ASHLAR_TRY(const std::vector<JsonCursor> elements, ids_json.AsArray(kMaxPieces));
    Ids ids;
    for (const JsonCursor& element : elements) {
      ASHLAR_TRY(const std::int64_t id, element.AsInteger(0, Tokenizer::kMaxTokenId));
      ids.push_back(static_cast<std::int32_t>(id));
    }
    tokens.emplace_back(name, std::move(ids));
  }
  return tokens;
}

struct Piece {
  bool is_sequence;
  std::string id;
};

// {"Sequence": {"id": "A", "type_id": 0}} or {"SpecialToken": {"id": "[CLS]", "type_id": 0}}
Result<Piece> ParsePiece(const JsonCursor& json) {
  ASHLAR_TRY(const auto members, json.AsObject(1));
  if (members.size() != 1 ||
      (members[0].first != "Sequence" && members[0].first != "SpecialToken")) {
    return json.Invalid("expected one key, \"Sequence\" or \"SpecialToken\"");
  }
  const auto& [kind, piece] = members[0];
  ASHLAR_TRY(piece.AllowOnly({"id", "type_id"}));
  ASHLAR_TRY(std::string id, piece.String("id"));
  ASHLAR_TRY(piece.IntegerOr("type_id", 0, std::numeric_limits<std::uint32_t>::max(), 0));
  return Piece{kind == "Sequence", std::move(id)};
}

// ["[SEP]", 102]
Result<Ids> ParseNamedId(const JsonCursor& json, std::string_view key) {
  ASHLAR_TRY(const JsonCursor pair, json.At(key));
  ASHLAR_TRY(const std::vector<JsonCursor> parts, pair.AsArray(2));
  if (parts.size() != 2) {
    return pair.Invalid("expected a token and its id");
  }
  ASHLAR_TRY(parts[0].AsString());
  ASHLAR_TRY(const std::int64_t id, parts[1].AsInteger(0, Tokenizer::kMaxTokenId));
  return Ids{static_cast<std::int32_t>(id)};
}

PostProcessorResult ParseBetweenClsAndSep(const JsonCursor& json) {
  ASHLAR_TRY(Ids before, ParseNamedId(json, "cls"));
  ASHLAR_TRY(Ids after, ParseNamedId(json, "sep"));
  return std::make_unique<Template>(std::move(before), std::move(after));
}

}  // namespace

PostProcessorResult ParseBertProcessing(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "sep", "cls"}));
  return ParseBetweenClsAndSep(json);
}

PostProcessorResult ParseRobertaProcessing(const JsonCursor& json) {
  // Two settings of offsets, which Encode does not give.
  ASHLAR_TRY(json.AllowOnly({"type", "sep", "cls", "trim_offsets", "add_prefix_space"}));
  ASHLAR_TRY(json.BoolOr("trim_offsets", true));
  ASHLAR_TRY(json.BoolOr("add_prefix_space", true));
  return ParseBetweenClsAndSep(json);
}

PostProcessorResult ParseTemplate(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "single", "pair", "special_tokens"}));
  ASHLAR_TRY(const NamedIds tokens, ParseSpecialTokens(json));
  ASHLAR_TRY(const std::optional<JsonCursor> pair, json.Find("pair"));
  if (pair.has_value()) {
    ASHLAR_TRY(const std::vector<JsonCursor> pieces, pair->AsArray(kMaxPieces));
    for (const JsonCursor& piece : pieces) {
      ASHLAR_TRY(ParsePiece(piece));
    }
  }

  ASHLAR_TRY(const JsonCursor single, json.At("single"));
  ASHLAR_TRY(const std::vector<JsonCursor> pieces, single.AsArray(kMaxPieces));
  Ids before;
  Ids after;
  bool seen_text = false;
  for (const JsonCursor& piece_json : pieces) {
    ASHLAR_TRY(const Piece piece, ParsePiece(piece_json));
    if (piece.is_sequence) {
      if (piece.id != "A" || seen_text) {
        return piece_json.Invalid("a template for one text has it once, as \"A\"");
      }
      seen_text = true;
      continue;
    }
    const auto token = std::find_if(tokens.begin(), tokens.end(),
                                    [&](const auto& named) { return named.first == piece.id; });
    if (token == tokens.end()) {
      return piece_json.Invalid("{} is not among the special_tokens", QuoteForError(piece.id));
    }
    Ids& side = seen_text ? after : before;
    side.insert(side.end(), token->second.begin(), token->second.end());
  }
  if (!seen_text) {
    return single.Invalid("the template leaves the text out");
  }
  return std::make_unique<Template>(std::move(before), std::move(after));
}

}  // namespace ashlar::internal
