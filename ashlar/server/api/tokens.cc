#include "ashlar/server/api/tokens.h"

#include "ashlar/server/api/chat.h"
#include "ashlar/server/api/completions.h"

namespace ashlar {
namespace {

constexpr Parameter kTokenizeRows[] = {
    {.name = "content", .types = json_type::kString, .doc = "a text"},
    {.name = "prompt", .types = json_type::kString, .doc = "another name of `content`"},
    {.name = "add_special",
     .types = json_type::kBoolean,
     .otherwise = "false",
     .doc = "whether the tokenizer puts its tokens, such as a begin-of-text, around the text"},
    {.name = "parse_special",
     .types = json_type::kBoolean,
     .otherwise = "true",
     .doc = "whether special tokens that are spelled out in the text become tokens"},
    {.name = "with_pieces",
     .types = json_type::kBoolean,
     .otherwise = "false",
     .doc =
         "each token as `{id, piece}`; a piece that is no whole characters is an array of bytes"},
};

constexpr Parameter kDetokenizeRows[] = {
    {.name = "tokens", .types = json_type::kArray, .required = true, .doc = "token ids"},
    {.name = "skip_special_tokens",
     .types = json_type::kBoolean,
     .otherwise = "false",
     .doc = "whether special tokens are left out of the text"},
};

Json PieceOf(const Tokenizer& tokenizer, std::int32_t token) {
  const std::string bytes = tokenizer.TokenBytes(token);
  if (IsWholeText(bytes)) {
    return bytes;
  }
  Json::Array list;
  for (const char c : bytes) {
    list.push_back(static_cast<int>(static_cast<unsigned char>(c)));
  }
  return list;
}

}  // namespace

constinit const ParameterPart kTokenizeParameters = kTokenizeRows;
constinit const ParameterPart kDetokenizeParameters = kDetokenizeRows;

Result<Json> Tokenize(const Parameters& parameters, const RequestSetting& setting) {
  ASHLAR_TRY(const Tokenizer* tokenizer, RequireTokenizer(*setting.network));
  const char* const name = parameters.Has("prompt") ? "prompt" : "content";
  const JsonCursor* const content = parameters.Find(name);
  if (content == nullptr) {
    return Invalid("$.content: is required");
  }
  if (parameters.Has("prompt") && parameters.Has("content")) {
    return content->Invalid("is another name of content: give one of them");
  }
  const Result<std::vector<std::int32_t>> ids = tokenizer->Encode(
      *content->value().string(), {.add_special_tokens = parameters.Bool("add_special", false),
                                   .parse_special_tokens = parameters.Bool("parse_special", true)});
  if (!ids.ok()) {
    return ids.error().In(content->path());
  }
  const bool with_pieces = parameters.Bool("with_pieces", false);
  Json::Array tokens;
  for (const std::int32_t id : *ids) {
    tokens.push_back(with_pieces ? Json::Of({{"id", id}, {"piece", PieceOf(*tokenizer, id)}})
                                 : Json(id));
  }
  return Json::Of({{"tokens", std::move(tokens)},
                   {"count", ids->size()},
                   {"max_model_len", setting.network->Context(setting.max_positions)}});
}

Result<Json> Detokenize(const Parameters& parameters, const RequestSetting& setting) {
  ASHLAR_TRY(const Tokenizer* tokenizer, RequireTokenizer(*setting.network));
  ASHLAR_TRY(const std::vector<std::int32_t> tokens,
             ReadTokens(*parameters.Find("tokens"), *setting.network));
  const std::string text = tokenizer->Decode(
      tokens, {.skip_special_tokens = parameters.Bool("skip_special_tokens", false)});
  return Json::Of({{"content", text}});
}

Result<Json> ApplyTemplate(const Parameters& parameters, const RequestSetting& setting) {
  ASHLAR_TRY(const ChatStyle* style, RequireChat(*setting.network));
  ASHLAR_TRY(Json messages, ReadMessages(*parameters.Find("messages")));
  std::vector<Tool> tools;
  if (const JsonCursor* value = parameters.Find("tools")) {
    ASHLAR_TRY(tools, ReadTools(*value));
  }
  ASHLAR_TRY(ChatPrompt prompt,
             MakeChatPrompt(*setting.network, std::move(messages), tools, "$.tools"));
  ASHLAR_TRY(AddTemplateOptions(parameters, prompt.variables));
  const Result<std::string> text = style->format.Render(prompt.variables, LocalTime(setting));
  if (!text.ok()) {
    return text.error().In("$.messages: the network's chat template");
  }
  return Json::Of({{"prompt", *text}});
}

}  // namespace ashlar
