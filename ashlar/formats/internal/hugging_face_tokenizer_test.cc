#include "ashlar/formats/internal/hugging_face_tokenizer.h"

#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar::internal {
namespace {

using TokenIds = std::vector<std::int32_t>;

class DirectoryTokenizer : public testing::Test {
 protected:
  void PutModel() {
    std::filesystem::copy(ASHLAR_SOURCE_DIR "/ashlar/text/testdata/bpe.model",
                          directory_ / "tokenizer.model");
  }
  void Put(const char* name, std::string_view text) { std::ofstream(directory_ / name) << text; }
  Tokenizer Read() {
    const auto json = ReadTokenizer(directory_.path());
    CHECK(json.ok() || (ADD_FAILURE() << json.error().message, false));
    return *Tokenizer::FromJson((*json)->json);
  }
  std::string ErrorOf(std::string_view config) {
    Put("tokenizer_config.json", config);
    const auto json = ReadTokenizer(directory_.path());
    CHECK(!json.ok() || (ADD_FAILURE() << "it was believed", false));
    return json.error().message;
  }
  TempDirectory directory_;
};

TEST_F(DirectoryTokenizer, ComesFromTokenizerJsonWhereThereIsOne) {
  EXPECT_FALSE(ReadTokenizer(directory_.path())->has_value());
  PutModel();
  Put("tokenizer.json", "{as it stands}");
  EXPECT_EQ((*ReadTokenizer(directory_.path()))->json, "{as it stands}");
}

constexpr std::string_view kFile = R"({"added_tokens": [
    {"id": 2, "content": "<s>", "special": true, "normalized": false,
     "lstrip": false, "rstrip": false, "single_word": false}],
    "normalizer": null, "pre_tokenizer": null, "decoder": null, "post_processor": {
      "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                                               {"Sequence": {"id": "A", "type_id": 0}}],
      "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [2], "tokens": ["<s>"]}}},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}})";

TEST_F(DirectoryTokenizer, HasTheTokensThatOnlyItsConfigurationHas) {
  Put("tokenizer.json", kFile);
  Put("tokenizer_config.json", R"({"added_tokens_decoder": {
      "4": {"content": "<y>", "special": false, "lstrip": true},
      "3": {"content": "<x>", "special": true},
      "2": {"content": "<s>", "special": false},
      "1": {"content": "b", "special": true}}})");
  const Tokenizer both = Read();
  EXPECT_EQ(*both.Encode("a<x>b <y>"), (TokenIds{2, 0, 3, 1, 4}));
  EXPECT_TRUE(both.IsSpecial(3));
  EXPECT_FALSE(both.IsSpecial(4));
  EXPECT_TRUE(both.IsSpecial(1));
  EXPECT_TRUE(both.IsSpecial(2)) << "tokenizer.json says so";
  Put("tokenizer_config.json", R"({"added_tokens_decoder": {"2": {"content": "<s>"}}})");
  EXPECT_EQ((*ReadTokenizer(directory_.path()))->json, kFile) << "as it stands";
  EXPECT_NE(ErrorOf(R"({"added_tokens_decoder": {"9": {"content": "<x>"}}})")
                .find("\"<x>\" has id 9, but tokenizer.json, which lacks it among its "
                      "added_tokens, makes it 3"),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"added_tokens_decoder": {"0": {"content": "b"}}})").find("makes it 1"),
            std::string::npos);
}

// Either is passed over by the reference's list of added tokens.
TEST_F(DirectoryTokenizer, PassesOverTokensWithoutATextAndTextsThatItHas) {
  Put("tokenizer.json", kFile);
  Put("tokenizer_config.json", R"({"added_tokens_decoder": {
      "3": {"content": "<x>"}, "4": {"content": ""}, "5": {"content": "<x>"}}})");
  EXPECT_EQ(*Read().Encode("<x>"), (TokenIds{2, 3}));
  Put("tokenizer_config.json", R"({"added_tokens_decoder": {"4": {"content": ""}}})");
  EXPECT_EQ((*ReadTokenizer(directory_.path()))->json, kFile) << "as it stands";
}

TEST_F(DirectoryTokenizer, StandsAsItIsBesideAFileOfGgufThatIsNone) {
  Put("tokenizer.json", kFile);
  const std::string header("GGUF\3\0\0\0", 8);  // and no more
  for (const std::string& kept :
       {std::string(), header, std::string("version https://git-lfs.github.com/spec/v1\n")}) {
    Put("tokenizer.gguf", kept);
    EXPECT_EQ((*ReadTokenizer(directory_.path()))->json, kFile);
  }
}

// As in transformers 5, whatever the class.
TEST_F(DirectoryTokenizer, BeginsTextsAsTokenizerJsonSaysWhateverItsConfigurationAdds) {
  Put("tokenizer.json", kFile);
  for (const char* name : {"LlamaTokenizerFast", "LlamaTokenizer", "PreTrainedTokenizerFast"}) {
    Put("tokenizer_config.json", fmt::format(R"({{"tokenizer_class": "{}", "bos_token": "<s>",
        "add_bos_token": false, "add_eos_token": true, "eos_token": "b"}})",
                                             name));
    EXPECT_EQ(*Read().Encode("a"), (TokenIds{2, 0}));
  }
}

TEST_F(DirectoryTokenizer, ComesFromTokenizerModelWithTheSettingsBesideIt) {
  PutModel();
  const Tokenizer plain = Read();
  const std::int32_t bos = *plain.TokenId("<s>");
  const std::int32_t eos = *plain.TokenId("</s>");
  const TokenIds ids = *plain.Encode("the", {.add_special_tokens = false});
  const TokenIds with_bos = *plain.Encode("the");
  EXPECT_EQ(with_bos.front(), bos);
  EXPECT_EQ(with_bos.size(), ids.size() + 1);

  Put("added_tokens.json", R"({"<|im_end|>": 420})");
  EXPECT_EQ(Read().Encode("<|im_end|>")->back(), 420);
  EXPECT_TRUE(Read().IsSpecial(420));

  Put("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer", "add_bos_token": false,
      "add_eos_token": true, "eos_token": {"content": "<end>", "lstrip": false},
      "legacy": true, "sp_model_kwargs": {}, "add_prefix_space": false,
      "added_tokens_decoder": {"421": {"content": "<end>", "lstrip": false, "normalized": true,
                                       "rstrip": true, "single_word": false, "special": false}}})");
  const Tokenizer configured = Read();
  TokenIds expected = ids;
  expected.push_back(421);
  EXPECT_EQ(*configured.Encode(" the"), expected) << "the space is the text's own";
  EXPECT_EQ(*configured.Encode("<end> "), (TokenIds{421, 421}));
  EXPECT_FALSE(configured.IsSpecial(421));
  EXPECT_TRUE(configured.IsSpecial(eos));
}

TEST_F(DirectoryTokenizer, WhoseAddedTokensLieIsRefusedWithTheirPlace) {
  struct Lie {
    const char* tokens;
    const char* message;
  };
  const Lie lies[] = {
      {R"([])", "added_tokens_decoder: expected an object"},
      {R"({"3": "<x>"})", "added_tokens_decoder.3: expected an object"},
      {R"({"3": {}})", "added_tokens_decoder.3"},
      {R"({"3": {"content": 5}})", "added_tokens_decoder.3.content: expected a string"},
      {R"({"3": {"content": "<x>", "special": "yes"}})", "3.special: expected a boolean"},
      {R"({"3": {"content": "<x>", "strip": true}})", "\"strip\""},
      {R"({"03": {"content": "<x>"}})", "\"03\" is no id of a token; expected 0 to 16777215"},
      {R"({"3.0": {"content": "<x>"}})", "\"3.0\" is no id of a token"},
      {R"({"16777216": {"content": "<x>"}})", "\"16777216\" is no id of a token"},
  };
  for (const Lie& lie : lies) {
    SCOPED_TRACE(lie.tokens);
    Put("tokenizer.json", kFile);
    const std::string config = fmt::format(R"({{"added_tokens_decoder": {}}})", lie.tokens);
    EXPECT_THAT(ErrorOf(config), testing::HasSubstr(lie.message));
    std::filesystem::remove(directory_ / "tokenizer.json");
    PutModel();
    EXPECT_THAT(ErrorOf(config), testing::HasSubstr(lie.message));
    std::filesystem::remove(directory_ / "tokenizer.model");
  }
  PutModel();
  EXPECT_THAT(ErrorOf(R"({"added_tokens_decoder": {"3": {"content": ""}}})"),
              testing::HasSubstr("added_tokens_decoder.3: the token 3 has an empty text"));
  EXPECT_THAT(ErrorOf(R"({"added_tokens_decoder": {"420": {"content": "<x>"},
                                                   "421": {"content": "<x>"}}})"),
              testing::HasSubstr("has both the ids 420 and 421"));
  // A file of its own, where only ids can be of two tokens.
  std::filesystem::remove(directory_ / "tokenizer_config.json");
  Put("added_tokens.json", R"({"<x>": 420, "<y>": 420})");
  EXPECT_THAT(ReadTokenizer(directory_.path()).error().message,
              testing::HasSubstr("added_tokens.json[\"<y>\"]: the id 420 is that of"));
  Put("added_tokens.json", R"({"": 420})");
  EXPECT_THAT(ReadTokenizer(directory_.path()).error().message,
              testing::HasSubstr("the token 420 has an empty text"));
}

TEST_F(DirectoryTokenizer, WhatItsConfigurationWouldChangeIsRefusedByName) {
  PutModel();
  EXPECT_NE(ErrorOf(R"({"tokenizer_class": "T5Tokenizer"})").find("T5Tokenizer"),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"legacy": false})").find("legacy"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"sp_model_kwargs": {"alpha": 0.1}})").find("sp_model_kwargs"),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"added_tokens_decoder": {"-1": {"content": "x"}}})").find("-1"),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"bos_token": "<nix>"})").find("<nix>"), std::string::npos);
  EXPECT_NE(ErrorOf("{").find("tokenizer_config.json"), std::string::npos);
}

}  // namespace
}  // namespace ashlar::internal
