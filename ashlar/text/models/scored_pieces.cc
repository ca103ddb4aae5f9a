#include "ashlar/text/models/scored_pieces.h"

#include <algorithm>

namespace ashlar::internal {
namespace {

// Where the first "▁" begins that follows another character; npos when none does.
std::size_t FindInnerMark(std::string_view text) {
  std::size_t at = 0;
  while (true) {
    while (text.substr(at).starts_with(kWordMark)) {
      at += kWordMark.size();
    }
    const std::size_t mark = text.find(kWordMark, at);
    if (mark == text.npos || mark > at) {
      return mark;
    }
    at = mark;
  }
}

}  // namespace

Result<ScoredPieces> ScoredPieces::Parse(const JsonCursor& model, bool unscored) {
  ScoredPieces pieces;
  ASHLAR_TRY(const JsonCursor json, model.At("vocab"));
  const Json::Array* elements = json.value().array();
  if (elements == nullptr) {
    return json.Invalid("expected an array of tokens with scores, found {}",
                        json.value().type_name());
  }
  pieces.vocabulary.Reserve(elements->size());
  pieces.words_apart = true;
  for (std::size_t i = 0; i < elements->size(); ++i) {
    // Paths are spelled for errors only: there may be a million elements.
    const auto wrong = [&](std::string_view what) {
      return Invalid("{}[{}]: {}", json.path(), i, what);
    };
    const Json::Array* pair = (*elements)[i].array();
    const std::size_t size = pair == nullptr ? 0 : pair->size();
    const std::string* content = size == 0 ? nullptr : (*pair)[0].string();
    if (content == nullptr || (size != 2 && !(unscored && size == 1))) {
      return wrong("expected a token and its score");
    }
    pieces.scores.push_back(kNoScore);
    if (size == 2) {
      const Json& score = (*pair)[1];
      if (score.real() == nullptr && score.integer() == nullptr) {
        return wrong(fmt::format("expected a number as score, found {}", score.type_name()));
      }
      pieces.scores.back() =
          score.real() != nullptr ? *score.real() : static_cast<double>(*score.integer());
    }
    if (content->size() > kMaxPieceBytes) {
      return wrong(
          fmt::format("the token has {} bytes, more than {}", content->size(), kMaxPieceBytes));
    }
    if (Status added = pieces.vocabulary.Add(*content, static_cast<std::int64_t>(i)); !added.ok()) {
      return added.error().In(json.path());
    }
    pieces.words_apart =
        pieces.words_apart && (size == 1 || FindInnerMark(*content) == content->npos);
  }
  ASHLAR_TRY(const std::optional<JsonCursor> unknown, model.Find("unk_id"));
  if (unknown.has_value()) {
    ASHLAR_TRY(const std::int64_t id,
               unknown->AsInteger(0, static_cast<std::int64_t>(elements->size()) - 1));
    pieces.unknown = static_cast<std::int32_t>(id);
  }
  ASHLAR_TRY(const bool byte_fallback, model.BoolOr("byte_fallback", false));
  if (byte_fallback) {
    pieces.byte_tokens = ByteTokens(pieces.vocabulary);
  }
  return pieces;
}

std::size_t ScoredPieces::FirstWordSize(std::string_view text) const {
  return words_apart ? std::min(FindInnerMark(text), text.size()) : text.size();
}

void PieceEmitter::EndRun() {
  if (run_.empty()) {
    return;
  }
  const std::optional<std::int32_t> id =
      whole_runs_ ? pieces_.vocabulary.Id(run_) : std::optional<std::int32_t>();
  if (id.has_value()) {
    ids_.push_back(*id);
  } else if (!pieces_.byte_tokens.Append(run_, ids_) && pieces_.unknown.has_value()) {
    ids_.push_back(*pieces_.unknown);
  }
  run_.clear();
}

}  // namespace ashlar::internal
