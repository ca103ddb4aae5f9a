// Tokenizers that go into GGUF files and come back: the same ids of texts, or a refusal.
#include "ashlar/formats/internal/gguf_tokenizer.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/file.h"
#include "ashlar/base/test_time.h"
#include "ashlar/formats/gguf_write.h"
#include "ashlar/formats/internal/gguf_tokens.h"
#include "ashlar/text/sentence_piece_model.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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
  const auto exported = ReadGgufTokenizer(text, {}, ids, "name");
  ASSERT_TRUE(exported.ok()) << exported.error().message;
  const Tokenizer theirs = ThereAndBack(*exported);
  for (const char* each : texts) {
    EXPECT_EQ(*theirs.Encode(each), *ours.Encode(each)) << each;
  }
}

std::string WhyNot(const Json& json, std::int64_t ids) {
  const auto exported = ReadGgufTokenizer(WriteJson(json), {}, ids, "name");
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
  const auto exported = ReadGgufTokenizer(WriteJson(json), {}, 32, "name");
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
  const auto exported = ReadGgufTokenizer(WriteJson(first.Build()), {}, kScoredIds, "name");
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

// A token that stands for an id without one is text like any other.
TEST(GgufTokenizer, OfScoredTokensThatLlamaCppWouldJoinToAnUnusedOneIsRefused) {
  Scored scored;
  for (const auto& pair : {std::pair("[", "P"), std::pair("[P", "A"), std::pair("[PA", "D"),
                           std::pair("2", "9"), std::pair("29", "9"), std::pair("299", "]")}) {
    scored.merges.emplace_back(pair);
  }
  Json json = scored.Build();
  Json model = *json.Find("model");
  Json vocab = *model.Find("vocab");
  std::int64_t id = 285;
  for (const char* letter : {"[", "P", "A", "D", "2", "9", "]"}) {
    vocab.Set(letter, id++);
  }
  model.Set("vocab", vocab);
  json.Set("model", model);
  EXPECT_THAT(WhyNot(json, kScoredIds), HasSubstr("parts of the token \"[PAD299]\""));
  EXPECT_EQ(WhyNot(json, kScoredIds - 1), "nothing is wrong");
}

TEST(GgufTokenizer, OfScoredTokensSaysWhereLlamaCppDecodesOtherwise) {
  const auto remarks = [](const Scored& scored, const Json& decoder) {
    Json json = scored.Build();
    json.Set("decoder", decoder);
    return ReadGgufTokenizer(WriteJson(json), {}, kScoredIds, "name")->remarks;
  };
  const Scored bare = {
      .normalizer = Object(R"({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})")};
  const Json strips = *Scored().Build().Find("decoder");
  const Json keeps = Object(R"({"type": "Sequence", "decoders": [
      {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
      {"type": "Fuse"}]})");
  EXPECT_THAT(remarks(Scored(), strips), IsEmpty());
  EXPECT_THAT(remarks(bare, keeps), IsEmpty());
  EXPECT_THAT(remarks(Scored(), keeps),
              ElementsAre(HasSubstr("as \" a a\", and llama.cpp as \"a a\"")));
  EXPECT_THAT(remarks(bare, strips),
              ElementsAre(HasSubstr("as \"a a\", and llama.cpp as \" a a\"")));
  EXPECT_THAT(remarks(Scored(), Object(R"({"type": "Fuse"})")),
              ElementsAre(HasSubstr("as \"▁a▁a\", and llama.cpp as \"a a\"")));
}

TEST(GgufTokenizer, OfAnotherModelIsRefusedWithThoseThatThereAre) {
  EXPECT_THAT(WhyNot(Object(R"({"model": {"type": "WordLevel", "vocab": {"a": 0},
                                          "unk_token": "a"}})"),
                     4),
              HasSubstr("tokenizer.json.model: a model of the type WordLevel cannot be written "
                        "into a GGUF file; known: byte-level BPE, BPE with byte_fallback, "
                        "SentencePieceBPE, SentencePieceUnigram"));
}

// ---- How texts are searched for added tokens

// Those of phi-3: of its markers all but three take the white space behind them away.
Json WithFlags(const Json& of_all, const std::vector<std::string>& without) {
  Scored scored;
  Json json = scored.Build();
  Json added = *json.Find("added_tokens");
  std::int64_t id = 290;
  for (const char* more : {"<|endoftext|>", "<|user|>", "<|end|>"}) {
    added.Append(Json::Of({{"id", id++}, {"content", more}, {"special", true}}));
  }
  for (Json& token : *added.array()) {
    const bool plain = std::ranges::count(without, *token.Find("content")->string()) != 0;
    for (const char* flag : {"lstrip", "rstrip", "single_word", "normalized"}) {
      const Json* const set = of_all.Find(flag);
      token.Set(flag, !plain && set != nullptr && *set->boolean());
    }
  }
  json.Set("added_tokens", added);
  return json;
}
const std::vector<std::string> kPhi3KeepsRight = {"<unk>", "<s>", "<|endoftext|>"};

std::optional<std::string> NameIn(const GgufTokenizer& tokenizer) {
  for (const auto& [key, value] : tokenizer.metadata) {
    if (key == "general.name") {
      return std::get<std::string>(value);
    }
  }
  return std::nullopt;
}

TEST(GgufTokenizer, WhoseMarkersTakeWhiteSpaceAwayIsKnownByItsName) {
  const Json json = WithFlags(Object(R"({"rstrip": true})"), kPhi3KeepsRight);
  const char* const texts[] = {"<|user|> a<|end|>\n b", "<|endoftext|> a</s> b", "<tool>  ab"};
  ExpectTheSameIds(json, kScoredIds, texts);
  const auto renamed = ReadGgufTokenizer(WriteJson(json), {}, kScoredIds, "mine");
  EXPECT_EQ(NameIn(*renamed), "mine (phi-3)");
  EXPECT_THAT(renamed->remarks, ElementsAre(HasSubstr("general.name is \"mine (phi-3)\"")));
  const auto known = ReadGgufTokenizer(WriteJson(json), {}, kScoredIds, "My-Phi3");
  EXPECT_EQ(NameIn(*known), "My-Phi3");
  EXPECT_THAT(known->remarks, IsEmpty());
}

TEST(GgufTokenizer, WhoseMarkersKeepWhiteSpaceHasNoNameThatTakesItAway) {
  const Json json = WithFlags(Object(R"({})"), {});
  const auto kept = ReadGgufTokenizer(WriteJson(json), {}, kScoredIds, "not-phi-3");
  EXPECT_EQ(NameIn(*kept), std::nullopt);
  EXPECT_THAT(kept->remarks, ElementsAre(HasSubstr("by one like \"not-phi-3\" llama.cpp takes")));
  EXPECT_EQ(*ThereAndBack(*kept).Encode("<|user|> a"),
            *Tokenizer::FromJson(WriteJson(json))->Encode("<|user|> a"));
  // By such a name llama.cpp looks for tokens that not every network has.
  const auto without = ReadGgufTokenizer(WriteJson(Scored().Build()), {}, kScoredIds, "not-phi-3");
  EXPECT_EQ(NameIn(*without), std::nullopt);
  EXPECT_THAT(without->remarks, ElementsAre(HasSubstr("would not load the file")));
}

TEST(GgufTokenizer, SaysOfWhichTokensGgufLosesAFlag) {
  const auto remarks = [](const char* flags, const std::vector<std::string>& without) {
    return ReadGgufTokenizer(WriteJson(WithFlags(Object(flags), without)), {}, kScoredIds, "name")
        ->remarks;
  };
  EXPECT_THAT(remarks(R"({})", {}), IsEmpty());
  EXPECT_THAT(remarks(R"({"lstrip": true})", {"</s>", "<tool>", "<s>", "<unk>", "<|user|>"}),
              ElementsAre(HasSubstr("(lstrip): \"<|endoftext|>\", \"<|end|>\"")));
  EXPECT_THAT(remarks(R"({"single_word": true})",
                      {"</s>", "<tool>", "<s>", "<unk>", "<|user|>", "<|end|>"}),
              ElementsAre(HasSubstr("(single_word): \"<|endoftext|>\"")));
  EXPECT_THAT(remarks(R"({"normalized": true})", kPhi3KeepsRight),
              ElementsAre(HasSubstr("(normalized): \"</s>\", \"<tool>\", \"<|user|>\"")));
  // More of them strip than a name can say, or fewer.
  EXPECT_THAT(remarks(R"({"rstrip": true})", {"<unk>", "<s>"}),
              ElementsAre(HasSubstr("general.name"),
                          HasSubstr("which the tokenizer takes away (rstrip): \"<|endoftext|>\"")));
  EXPECT_THAT(remarks(R"({"rstrip": true})", {"<unk>", "<s>", "<|endoftext|>", "</s>"}),
              ElementsAre(HasSubstr("general.name"),
                          HasSubstr("which the tokenizer keeps (rstrip): \"</s>\"")));
  // A list of them is cut short.
  Json json = Scored().Build();
  Json added = *json.Find("added_tokens");
  for (int i = 0; i < 10; ++i) {
    added.Append(Json::Of({{"id", 285 + i},
                           {"content", fmt::format("<{}>", i)},
                           {"special", true},
                           {"lstrip", true},
                           {"rstrip", false},
                           {"single_word", false},
                           {"normalized", false}}));
  }
  json.Set("added_tokens", added);
  EXPECT_THAT(ReadGgufTokenizer(WriteJson(json), {}, kScoredIds, "name")->remarks,
              ElementsAre(HasSubstr("\"<7>\", and 2 more")));
}

// ---- Unigram

Json UnigramFile() {
  return *ParseJson(*SentencePieceTokenizerJson(
      *ReadTextFile(ASHLAR_SOURCE_DIR "/ashlar/text/testdata/unigram.model", 1 << 20)));
}

// Texts of the model's own test that hold none of its user-defined tokens, which llama.cpp finds
// before anything else.
TEST(GgufTokenizer, OfUnigramGoesThereAndBack) {
  const std::string text = WriteJson(UnigramFile());
  const Tokenizer ours = *Tokenizer::FromJson(text);
  const auto exported = ReadGgufTokenizer(text, {}, 200, "name");
  ASSERT_TRUE(exported.ok()) << exported.error().message;
  EXPECT_THAT(exported->remarks, ElementsAre(HasSubstr("user-defined tokens before anything else"),
                                             HasSubstr("in double precision")));
  const Tokenizer theirs = ThereAndBack(*exported);
  std::ifstream lines(ASHLAR_SOURCE_DIR "/ashlar/text/testdata/unigram.jsonl");
  int compared = 0;
  for (std::string line; std::getline(lines, line);) {
    const Json json = *ParseJson(line);
    const std::string& each = *json.Find("text")->string();
    const auto holds = [&](const char* token) { return each.find(token) != each.npos; };
    if (!holds("<ud>") && !holds("foo bar") && !holds("aaa")) {
      const auto ids = *theirs.Encode(each, {.parse_special_tokens = false});
      EXPECT_EQ(ids, *ours.Encode(each, {.parse_special_tokens = false})) << each;
      EXPECT_EQ(theirs.Decode(ids), ours.Decode(ids)) << each;
      ++compared;
    }
  }
  EXPECT_GT(compared, 20);
  EXPECT_EQ(*theirs.Encode("<s> of the"), *ours.Encode("<s> of the"));
}

TEST(GgufTokenizer, OfUnigramThatKeepsSpacesSaysWhatLlamaCppDoesOtherwise) {
  Json json = UnigramFile();
  Json normalizer = *json.Find("normalizer");
  normalizer.Set("remove_extra_whitespaces", false);
  for (const bool prefix : {true, false}) {
    normalizer.Set("add_dummy_prefix", prefix);
    json.Set("normalizer", normalizer);
    const auto exported = ReadGgufTokenizer(WriteJson(json), {}, 200, "name");
    ASSERT_TRUE(exported.ok()) << exported.error().message;
    EXPECT_EQ(std::ranges::count_if(exported->remarks,
                                    [](const std::string& remark) {
                                      return remark.find("text of spaces alone") != remark.npos;
                                    }),
              prefix ? 1 : 0);
  }
}

TEST(GgufTokenizer, OfUnigramThatLlamaCppWouldCutOtherwiseIsRefused) {
  const auto with = [](const char* role, const char* member, const Json& value) {
    Json json = UnigramFile();
    Json stage = *json.Find(role);
    stage.Set(member, value);
    json.Set(role, stage);
    return WhyNot(json, 200);
  };
  EXPECT_THAT(with("normalizer", "add_dummy_prefix", false),
              HasSubstr("normalizer.add_dummy_prefix is false: llama.cpp's Unigram cannot"));
  EXPECT_THAT(with("normalizer", "treat_whitespace_as_suffix", true),
              HasSubstr("normalizer.treat_whitespace_as_suffix is true"));
  EXPECT_THAT(with("normalizer", "escape_whitespaces", false),
              HasSubstr("normalizer.escape_whitespaces is false"));
  EXPECT_THAT(with("model", "byte_fallback", true), HasSubstr("model.byte_fallback is true"));
  EXPECT_THAT(with("model", "unk_id", nullptr), HasSubstr("model.unk_id: llama.cpp's Unigram"));
  EXPECT_THAT(with("model", "unknown_score", -100.0), HasSubstr("model.unknown_score is -100"));
  Json json = UnigramFile();
  json.Set("pre_tokenizer", Object(R"({"type": "WhitespaceSplit"})"));
  EXPECT_THAT(WhyNot(json, 200), HasSubstr("before it and no pre-tokenizer, and this has others"));
}

// ---- None

// Looked for one by one among all before, so many took a quarter of a minute.
TEST(GgufTokenizer, OfWhichThereIsNoneHasTheFirstEndsOfVeryMany) {
  Metadata network;
  for (int id = 0; id < 500'000; ++id) {
    network.eos_tokens.push_back(id / 2);
  }
  const double begin = CpuSeconds();
  const GgufMetadata metadata = NoGgufTokenizer(network);
  EXPECT_LT(CpuSeconds() - begin, 1);
  std::vector<std::uint32_t> ends;
  for (const auto& [key, value] : metadata) {
    if (const auto* const id = std::get_if<std::uint32_t>(&value)) {
      ends.push_back(*id);
    }
  }
  EXPECT_THAT(ends, ElementsAre(0, 1, 2));
}

}  // namespace
}  // namespace ashlar::internal
