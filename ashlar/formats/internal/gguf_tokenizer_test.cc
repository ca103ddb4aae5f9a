// Tokenizers that go into GGUF files and come back: the same ids of texts, or a refusal.
#include "ashlar/formats/internal/gguf_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/formats/gguf_write.h"
#include "ashlar/formats/internal/gguf_tokens.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar::internal {
namespace {

using ::testing::HasSubstr;

Json Object(std::string_view text) {
  return *ParseJson(text);
}

// The tokenizer that an import of the exported metadata finds.
Tokenizer ThereAndBack(const GgufTokenizer& tokenizer) {
  const std::vector<std::byte> header = GgufHeader({.metadata = tokenizer.metadata, .tensors = {}});
  const GgufFile file = *GgufFile::Parse(header, "file");
  const std::string json = *GgufTokenizerJson(**ReadGgufVocabulary(file.fields(), 1 << 20));
  return *Tokenizer::FromJson(json);
}

void ExpectTheSameIds(const Json& json, std::int64_t ids, std::span<const char* const> texts) {
  const std::string text = WriteJson(json);
  const Tokenizer ours = *Tokenizer::FromJson(text);
  const auto exported = ReadGgufTokenizer(text, {}, ids);
  ASSERT_TRUE(exported.ok()) << exported.error().message;
  const Tokenizer theirs = ThereAndBack(*exported);
  for (const char* each : texts) {
    EXPECT_EQ(*theirs.Encode(each), *ours.Encode(each)) << each;
  }
}

std::string WhyNot(const Json& json, std::int64_t ids) {
  const auto exported = ReadGgufTokenizer(WriteJson(json), {}, ids);
  return exported.ok() ? "nothing is wrong" : exported.error().message;
}

// ---- Falcon's

// Of the bytes' letters these, and tokens of more; how falcon's networks cut text.
Json Falcon(const std::vector<std::pair<std::string, std::string>>& merges) {
  Json vocab = Json::Object();
  std::int64_t id = 0;
  for (const char* letter : {"Ġ", "a", "b", "1", "2", "3", "4", "!", "?", "Ã", "²"}) {
    vocab.Set(letter, id++);
  }
  Json pairs = Json::Array();
  for (const auto& [left, right] : merges) {
    vocab.Set(left + right, id++);
    pairs.Append(Json::Array{left, right});
  }
  Json json = Object(R"({
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "Punctuation", "behavior": "Contiguous"},
      {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
      {"type": "Digits", "individual_digits": false},
      {"type": "Split", "pattern": {"Regex": "[0-9][0-9][0-9]"}, "behavior": "Isolated",
       "invert": false}]},
    "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                "use_regex": true}})");
  json.Set("model", Json::Of({{"type", "BPE"}, {"vocab", vocab}, {"merges", pairs}}));
  return json;
}
constexpr const char* kFalconTexts[] = {"a ab!? 1234", "ab12 123412", " !!a?1", "1!2ab 1\u00f2",
                                        ""};

TEST(GgufTokenizer, OfFalconIsWrittenByItsName) {
  const Json json =
      Falcon({{"a", "b"}, {"Ġ", "a"}, {"1", "2"}, {"12", "3"}, {"3", "4"}, {"!", "?"}, {"Ġ", "!"}});
  ExpectTheSameIds(json, 32, kFalconTexts);
  const auto exported = ReadGgufTokenizer(WriteJson(json), {}, 32);
  EXPECT_TRUE(std::ranges::any_of(exported->metadata, [](const auto& pair) {
    return pair.first == "tokenizer.ggml.pre" && pair.second == GgufValue(std::string("falcon"));
  }));
}

// llama.cpp does not cut digits from what stands around them, which such a merge would join.
TEST(GgufTokenizer, OfFalconWhoseDigitsJoinOthersIsRefused) {
  for (const std::pair<std::string, std::string> merge :
       {std::pair("Ġ", "1"), std::pair("1", "a"), std::pair("Ã", "²")}) {
    EXPECT_THAT(WhyNot(Falcon({merge}), 32), HasSubstr("llama.cpp has no name"));
  }
}

// ---- Scored tokens

// The bytes' tokens, letters, and what these merges make; spaces as in the first networks of the
// kind.
struct Scored {
  std::vector<std::pair<std::string, std::string>> merges = {
      {"a", "b"}, {"b", "c"}, {"ab", "c"}, {"a", "bc"}, {"▁", "a"}, {"▁a", "b"}, {"▁", "ab"}};
  Json normalizer = Object(R"({"type": "Sequence", "normalizers": [
      {"type": "Prepend", "prepend": "▁"},
      {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]})");
  Json pre_tokenizer = {};

  Json Vocab() const {
    Json vocab = Json::Object();
    std::int64_t id = 0;
    for (const char* token : {"<unk>", "<s>", "</s>"}) {
      vocab.Set(token, id++);
    }
    for (int byte = 0; byte < 256; ++byte) {
      vocab.Set(fmt::format("<0x{:02X}>", byte), id++);
    }
    for (const char* letter : {"▁", "a", "b", "c", "é"}) {
      vocab.Set(letter, id++);
    }
    for (const auto& [left, right] : merges) {
      if (vocab.Find(left + right) == nullptr) {
        vocab.Set(left + right, id++);
      }
    }
    vocab.Set("<tool>", id);
    return vocab;
  }
  Json Build() const {
    const Json vocab = Vocab();
    Json pairs = Json::Array();
    for (const auto& [left, right] : merges) {
      pairs.Append(Json::Array{left, right});
    }
    Json added = Json::Array();
    for (const char* token : {"<unk>", "<s>", "</s>", "<tool>"}) {
      added.Append(Json::Of({{"id", *vocab.Find(token)},
                             {"content", token},
                             {"single_word", false},
                             {"lstrip", false},
                             {"rstrip", false},
                             {"normalized", false},
                             {"special", std::string_view(token) != "<tool>"}}));
    }
    Json json = Object(R"({"post_processor": {"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                   {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
      "decoder": {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}})");
    json.Set("added_tokens", added);
    json.Set("normalizer", normalizer);
    json.Set("pre_tokenizer", pre_tokenizer);
    json.Set("model", Json::Of({{"type", "BPE"},
                                {"unk_token", "<unk>"},
                                {"fuse_unk", true},
                                {"byte_fallback", true},
                                {"vocab", vocab},
                                {"merges", pairs}}));
    return json;
  }
};
constexpr std::int64_t kScoredIds = 300;  // some more than there are tokens
constexpr const char* kScoredTexts[] = {
    "abc ab a", "  abc", "abcabc  ", "\u00e9a\u65e5b", "ab<tool>abc</s> ab", "aab cabbc", " ", ""};

TEST(GgufTokenizer, OfScoredTokensGoesThereAndBack) {
  ExpectTheSameIds(Scored().Build(), kScoredIds, kScoredTexts);
  // Without a space in front; the cut finds no space.
  const Scored bare = {
      .normalizer = Object(R"({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})"),
      .pre_tokenizer = Object(R"({"type": "Split", "pattern": {"String": " "},
                                  "behavior": "MergedWithPrevious", "invert": false})")};
  ExpectTheSameIds(bare.Build(), kScoredIds, kScoredTexts);
  const Scored apart = {.normalizer = {},
                        .pre_tokenizer = Object(R"({"type": "Metaspace", "replacement": "▁",
                                                    "prepend_scheme": "never", "split": true})")};
  ExpectTheSameIds(apart.Build(), kScoredIds, kScoredTexts);
}

TEST(GgufTokenizer, OfScoredTokensSaysWhatLlamaCppDoesOtherwise) {
  const Scored first = {.normalizer = {},
                        .pre_tokenizer = Object(R"({"type": "Metaspace", "replacement": "▁",
                                                    "prepend_scheme": "first", "split": false})")};
  const auto exported = ReadGgufTokenizer(WriteJson(first.Build()), {}, kScoredIds);
  ASSERT_TRUE(exported.ok()) << exported.error().message;
  EXPECT_THAT(exported->remarks,
              ::testing::ElementsAre(HasSubstr("a text that begins with one"),
                                     HasSubstr("in front of text behind a marker")));
  // The model that tokens of equal scores need.
  Json json = Scored().Build();
  Json pieces = Json::Array();
  const Json& vocab = *json.Find("model")->Find("vocab");
  for (const auto& [token, id] : *vocab.object()) {
    pieces.Append(Json::Array{token, token.size() > 1 ? -1.0 : -2.0});
  }
  json.Set("model", Json::Of({{"type", "SentencePieceBPE"},
                              {"unk_id", 0},
                              {"byte_fallback", true},
                              {"vocab", pieces}}));
  ExpectTheSameIds(json, kScoredIds, kScoredTexts);
}

TEST(GgufTokenizer, OfScoredTokensThatLlamaCppWouldJoinOtherwiseIsRefused) {
  EXPECT_THAT(WhyNot(Scored{.merges = {{"b", "c"}, {"ab", "c"}, {"a", "b"}}}.Build(), kScoredIds),
              HasSubstr("no merge joins the last two parts of the token \"abc\""));
  Scored apart = {.normalizer = {},
                  .pre_tokenizer = Object(R"({"type": "Metaspace", "replacement": "▁",
                                              "prepend_scheme": "never", "split": true})")};
  apart.merges.emplace_back("a", "▁");
  EXPECT_THAT(WhyNot(apart.Build(), kScoredIds), HasSubstr("would join \"a▁\" across words"));
  EXPECT_THAT(WhyNot(Scored{.normalizer = Object(R"({"type": "Lowercase"})")}.Build(), kScoredIds),
              HasSubstr("llama.cpp has no normalizer like this Lowercase"));
  Json json = Scored().Build();
  json.Set("decoder", Object(R"({"type": "ByteLevel"})"));
  EXPECT_THAT(WhyNot(json, kScoredIds), HasSubstr("no decoder ByteLevel"));
}

}  // namespace
}  // namespace ashlar::internal
