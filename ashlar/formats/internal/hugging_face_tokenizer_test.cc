#include "ashlar/formats/internal/hugging_face_tokenizer.h"

#include <filesystem>
#include <fstream>

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
