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

}  // namespace
}  // namespace ashlar::internal
