#include "ashlar/text/chat_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/test_time.h"
#include "ashlar/text/internal/test_tokenizer.h"

namespace ashlar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::tm kAnyTime = {};

Json Conversation(std::string_view content) {
  return Json::Of({{"messages", Json::Array{Json::Of({{"role", "user"}, {"content", content}})}}});
}

std::string ConfigWith(const Json& chat_template) {
  return WriteJson(Json::Of({{"chat_template", chat_template},
                             {"eos_token", "<end>"},
                             {"bos_token", Json::Of({{"content", "<begin>"}, {"lstrip", false}})},
                             {"pad_token", nullptr},
                             {"add_bos_token", true}}));
}

TEST(ChatFormat, KnowsTheSpecialTokensByName) {
  const auto format = ChatFormat::FromFiles(
      {.tokenizer_config = ConfigWith("{{ bos_token }}{{ messages[0].content }}"
                                      "{{ eos_token }}{{ pad_token is defined }}")});
  ASSERT_TRUE(format.ok()) << format.error().message;
  EXPECT_EQ(*format->Render(Conversation("hi"), kAnyTime), "<begin>hi<end>False");
}

TEST(ChatFormat, KnowsThemFromTheMapOfSpecialTokensOrFromTheModelWhereNoFileSpeaksOfThem) {
  const std::string source = "{{ bos_token }}|{{ eos_token }}|{{ unk_token }}";
  const auto rendered = [&](ChatFiles files) {
    files.chat_template = source;
    return *ChatFormat::FromFiles(files)->Render(Conversation("hi"), kAnyTime);
  };
  EXPECT_EQ(rendered({.begin = "<s>", .end = "</s>"}), "<s>|</s>|");
  EXPECT_EQ(
      rendered({.special_tokens_map = R"({"bos_token": {"content": "<b>"}, "unk_token": "?"})",
                .begin = "<s>",
                .end = "</s>"}),
      "<b>|</s>|?");
  EXPECT_EQ(rendered({.tokenizer_config = R"({"bos_token": null, "eos_token": "<e>"})",
                      .special_tokens_map = R"({"bos_token": "<b>", "eos_token": "<f>"})",
                      .begin = "<s>"}),
            "|<e>|")
      << "null says that there is none";
}

TEST(ChatFormat, ReadsItsFilesAndNamesTheModelsTokens) {
  const Tokenizer tokenizer = *Tokenizer::FromJson(WriteJson(internal::SmallTokenizer()));
  const auto read = [](std::string_view name) -> Result<std::optional<std::string>> {
    return name == "chat_template.jinja"
               ? std::optional<std::string>("{{ bos_token }} {{ eos_token }}")
               : std::nullopt;
  };
  const auto rendered = [&](std::optional<std::int64_t> begin, std::vector<std::int64_t> ends) {
    const ChatFiles files = *ReadChatFiles(read, tokenizer, begin, ends);
    return *ChatFormat::FromFiles(files)->Render(Conversation("hi"), kAnyTime);
  };
  EXPECT_EQ(rendered(6, {10, 0}), "ab <end>");
  EXPECT_EQ(rendered(std::nullopt, {}), " ");
  EXPECT_EQ(rendered(1000, {-1}), " ") << "ids without a token";
}

TEST(ChatFormat, TakesTheTemplateInAFileOfItsOwnFirst) {
  const auto format = ChatFormat::FromFiles(
      {.chat_template = "own {{ eos_token }}", .tokenizer_config = ConfigWith("other")});
  EXPECT_EQ(*format->Render(Conversation("hi"), kAnyTime), "own <end>");
}

TEST(ChatFormat, TakesTheTemplateForToolsWhenThereAreTools) {
  const Json named = Json::Array{Json::Of({{"name", "default"}, {"template", "plain"}}),
                                 Json::Of({{"name", "tool_use"}, {"template", "with tools"}})};
  const auto format = ChatFormat::FromFiles({.tokenizer_config = ConfigWith(named)});
  Json variables = Conversation("hi");
  EXPECT_EQ(*format->Render(variables, kAnyTime), "plain");
  variables.Set("tools", Json::Array());
  EXPECT_EQ(*format->Render(variables, kAnyTime), "with tools");
}

TEST(ChatFormat, NamesWhatIsMissingOrWrong) {
  EXPECT_EQ(ChatFormat::FromFiles({}).error().message, "the network has no chat template");
  EXPECT_EQ(ChatFormat::FromFiles({}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(ChatFormat::FromFiles({.chat_template = "{% if %}"}).error().message,
            "chat template \"default\": line 1: expected a value, found the tag's end");
  EXPECT_THAT(ChatFormat::FromFiles({.tokenizer_config = ConfigWith(5)}).error().message,
              HasSubstr("tokenizer_config.json.chat_template: expected a string"));
  const Json unnamed = Json::Array{Json::Of({{"name", "rag"}, {"template", "a"}})};
  EXPECT_THAT(ChatFormat::FromFiles({.tokenizer_config = ConfigWith(unnamed)}).error().message,
              HasSubstr("none of the network's chat templates is named \"default\""));
}

// a 0, b 1, c 2, d 3, e 4, ab 6, cd 7, abcd 8, <end> 10; other characters have no token.
TEST(ChatFormat, MakesNoSpecialTokenOfWhatAUserSpells) {
  const Tokenizer tokenizer = *Tokenizer::FromJson(WriteJson(internal::SmallTokenizer()));
  const auto format =
      ChatFormat::FromTemplate("{% for m in messages %}{{ m.content | trim }}<end>{% endfor %}");
  EXPECT_THAT(*format->Encode(tokenizer, Conversation("abcd"), kAnyTime), ElementsAre(8, 10));
  EXPECT_THAT(*format->Encode(tokenizer, Conversation(" ab<end>cd "), kAnyTime),
              ElementsAre(6, 4, 3, 7, 10))
      << "the letters of <end> that have tokens, e and d";
  EXPECT_THAT(*format->Encode(tokenizer, Conversation("<e\xEF\xB7\x90nd>"), kAnyTime),
              ElementsAre(4, 3, 10));
}

TEST(ChatFormat, ReadsATextOfNothingButSpelledTokensAsFastAsAnyOther) {
  const Tokenizer tokenizer = *Tokenizer::FromJson(WriteJson(internal::SmallTokenizer()));
  const auto format = ChatFormat::FromTemplate("{{ messages[0].content }}");
  const auto seconds = [&](std::string_view part) {
    std::string text;
    for (int i = 0; i < 200'000; ++i) {
      text += part;
    }
    const double begin = CpuSeconds();
    EXPECT_TRUE(format->Encode(tokenizer, Conversation(text), kAnyTime).ok());
    return CpuSeconds() - begin;
  };
  const double plain = seconds("abcd?");
  EXPECT_LT(seconds("<end>"), 2 * plain + 0.5) << plain;
}

TEST(ChatFormat, MakesNoneOfWhatOverlapsIsOneCharacterOrComesOfNormalizing) {
  Json json = internal::SmallTokenizer();
  Json::Array added = *json.Find("added_tokens")->array();
  const auto add = [&](int id, std::string_view content, bool normalized) {
    Json token = added.front();
    token.Set("id", id);
    token.Set("content", content);
    token.Set("normalized", normalized);
    added.push_back(token);
  };
  add(11, "aba", false);
  add(12, "|", false);
  add(13, "<dab>", true);
  json.Set("added_tokens", added);
  json.Set("normalizer", Json::Of({{"type", "Lowercase"}}));
  const Tokenizer tokenizer = internal::Load(json);
  const auto format = ChatFormat::FromTemplate("{{ messages[0].content }}<end>");
  const auto ids = [&](std::string_view text) {
    return *format->Encode(tokenizer, Conversation(text), kAnyTime);
  };
  EXPECT_THAT(ids("ababa"), ElementsAre(0, 1, 0, 1, 0, 10));
  EXPECT_THAT(ids("c|d"), ElementsAre(2, 3, 10));
  EXPECT_THAT(ids("<DAB>cd"), ElementsAre(3, 0, 1, 2, 3, 10));
  EXPECT_THAT(*tokenizer.Encode("<DAB>cd"), ElementsAre(13, 7)) << "what it would have been";
}

TEST(ChatFormat, HasTemplatesForNetworksWithoutOne) {
  Json variables = Conversation("hi");
  variables.Set("add_generation_prompt", true);
  EXPECT_EQ(*ChatFormat::FromTemplate(kChatMlTemplate)->Render(variables, kAnyTime),
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(*ChatFormat::FromTemplate(kTranscriptTemplate)->Render(variables, kAnyTime),
            "user: hi\nassistant:");
}

}  // namespace
}  // namespace ashlar
