#include "ashlar/text/internal/tokenizer_json.h"

#include "ashlar/text/models/scored_pieces.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar::internal {

Json AddedTokenJson(const NamedId& token, bool special, bool strip_right) {
  return Json::Of({{"id", token.id},
                   {"content", token.content},
                   {"single_word", false},
                   {"lstrip", false},
                   {"rstrip", strip_right},
                   {"normalized", false},
                   {"special", special}});
}

Json TemplateJson(const std::vector<NamedId>& before, const std::vector<NamedId>& after) {
  if (before.empty() && after.empty()) {
    return {};
  }
  Json single = Json::Array();
  Json tokens = Json::Of({});
  const auto add = [&](const std::vector<NamedId>& side) {
    for (const NamedId& token : side) {
      single.Append(
          Json::Of({{"SpecialToken", Json::Of({{"id", token.content}, {"type_id", 0}})}}));
      tokens.Set(token.content, Json::Of({{"id", token.content},
                                          {"ids", Json::Array{token.id}},
                                          {"tokens", Json::Array{token.content}}}));
    }
  };
  add(before);
  single.Append(Json::Of({{"Sequence", Json::Of({{"id", "A"}, {"type_id", 0}})}}));
  add(after);
  Json pair = single;
  pair.Append(Json::Of({{"Sequence", Json::Of({{"id", "B"}, {"type_id", 0}})}}));
  return Json::Of({{"type", "TemplateProcessing"},
                   {"single", std::move(single)},
                   {"pair", std::move(pair)},
                   {"special_tokens", std::move(tokens)}});
}

Json SpacesToMarksJson() {
  return Json::Of(
      {{"type", "Replace"}, {"pattern", Json::Of({{"String", " "}})}, {"content", kWordMark}});
}

Json MarkedSpacesJson(bool space_prefix) {
  std::vector<Json> stages;
  if (space_prefix) {
    stages.push_back(Json::Of({{"type", "Prepend"}, {"prepend", kWordMark}}));
  }
  stages.push_back(SpacesToMarksJson());
  return SequenceJson("normalizers", std::move(stages));
}

Json SentencePieceDecoderJson(bool drop_first_space) {
  std::vector<Json> stages;
  stages.push_back(Json::Of(
      {{"type", "Replace"}, {"pattern", Json::Of({{"String", kWordMark}})}, {"content", " "}}));
  stages.push_back(Json::Of({{"type", "ByteFallback"}}));
  stages.push_back(Json::Of({{"type", "Fuse"}}));
  if (drop_first_space) {
    stages.push_back(Json::Of({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}));
  }
  return SequenceJson("decoders", std::move(stages));
}

Json SequenceJson(std::string_view members, std::vector<Json> stages) {
  if (stages.empty()) {
    return {};
  }
  Json sequence = Json::Of({{"type", "Sequence"}});
  sequence.Set(members, std::move(stages));
  return sequence;
}

Result<CheckedTokenizer> MakeTokenizer(Json normalizer, Json pre_tokenizer, Json model,
                                       Json post_processor, Json decoder, Json added_tokens) {
  std::string text = CanonicalJson(Json::Of({{"version", "1.0"},
                                             {"truncation", nullptr},
                                             {"padding", nullptr},
                                             {"added_tokens", std::move(added_tokens)},
                                             {"normalizer", std::move(normalizer)},
                                             {"pre_tokenizer", std::move(pre_tokenizer)},
                                             {"post_processor", std::move(post_processor)},
                                             {"decoder", std::move(decoder)},
                                             {"model", std::move(model)}}));
  Result<Tokenizer> tokenizer = Tokenizer::FromJson(text);
  if (!tokenizer.ok()) {
    return tokenizer.error().In("as a tokenizer.json");
  }
  return CheckedTokenizer{std::move(text), *std::move(tokenizer)};
}

}  // namespace ashlar::internal
