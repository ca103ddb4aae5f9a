#include "ashlar/text/models/model.h"

namespace ashlar::internal {
namespace {

constexpr StageType<Model> kModels[] = {
    {.name = "BPE", .parse = ParseBpe},
    {.name = "SentencePieceBPE", .parse = ParseSentencePieceBpe},
    {.name = "SentencePieceUnigram", .parse = ParseSentencePieceUnigram},
    {.name = "SentencePieceWord", .parse = ParseSentencePieceWord},
    {.name = "Unigram", .parse = ParseUnigram},
    {.name = "WordLevel", .parse = ParseWordLevel},
    {.name = "WordPiece", .parse = ParseWordPiece},
};

// Files of the first years name no type: the members that only one of them has tell.
Result<ModelResult (*)(const JsonCursor&)> ParserWithoutType(const JsonCursor& json) {
  if (json.value().Find("merges") != nullptr) {
    return ParseBpe;
  }
  if (json.value().Find("max_input_chars_per_word") != nullptr) {
    return ParseWordPiece;
  }
  ASHLAR_TRY(const JsonCursor vocabulary, json.At("vocab"));
  return vocabulary.value().array() != nullptr ? ParseUnigram : ParseWordLevel;
}

}  // namespace

ModelResult ParseModel(const JsonCursor& json) {
  ASHLAR_TRY(const std::optional<JsonCursor> type, json.Find("type"));
  if (type.has_value()) {
    return ParseStage<Model>(json, kModels);
  }
  ASHLAR_TRY(const auto parse, ParserWithoutType(json));
  return parse(json);
}

Result<Vocabulary> ParseVocabulary(const JsonCursor& model) {
  ASHLAR_TRY(const JsonCursor json, model.At("vocab"));
  const Json::Object* members = json.value().object();
  if (members == nullptr) {
    return json.Invalid("expected an object of ids by token, found {}", json.value().type_name());
  }
  Vocabulary vocabulary;
  vocabulary.Reserve(members->size());
  for (const auto& [content, id] : *members) {
    if (id.integer() == nullptr) {
      return json.Invalid("the id of {} is no integer but {}", QuoteForError(content),
                          id.type_name());
    }
    if (Status added = vocabulary.Add(content, *id.integer()); !added.ok()) {
      return added.error().In(json.path());
    }
  }
  return vocabulary;
}

Result<std::int32_t> ParseUnknownToken(const JsonCursor& model, const Vocabulary& vocabulary) {
  ASHLAR_TRY(const JsonCursor json, model.At("unk_token"));
  ASHLAR_TRY(const std::string content, json.AsString());
  const std::optional<std::int32_t> id = vocabulary.Id(content);
  if (!id.has_value()) {
    return json.Invalid("{} is not in the vocabulary", QuoteForError(content));
  }
  return *id;
}

}  // namespace ashlar::internal
