#include "ashlar/text/tokenizer.h"

#include <map>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "ashlar/base/test_evidence.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/text/internal/test_tokenizer.h"
#include "ashlar/text/internal/utf8.h"

namespace ashlar {
namespace {

using internal::DecodeAsStream;
using internal::Load;
using internal::Part;
using internal::SmallTokenizer;
using internal::Tokens;
using Contents = std::vector<std::string>;
using Ids = std::vector<std::int32_t>;

const Tokenizer& Demo() {
  static const Tokenizer tokenizer =
      *Tokenizer::FromJson(*ReadTextFile(ASHLAR_SOURCE_DIR "/demo/tokenizer.json"));
  return tokenizer;
}

// Texts of every kind of trouble: controls, marks, joiners, spaces, four-byte characters, markers.
std::string RandomText(std::mt19937_64& random) {
  constexpr std::string_view kParts[] = {
      "the ",   "Hello",  " world",       "don't",  "12345",        "  ",     "\n\n",   "\t",
      "\r\n",   "é",      "e\u0301",      "日本語", "😀👍🏽", "\u200D", "\u00A0", "\u3000",
      "\u0085", "\uFEFF", "<|im_start|>", "<|im_",  "'S",           "_x",     "\u180E"};
  std::string text;
  for (std::size_t i = random() % 30; i > 0; --i) {
    if (random() % 4 == 0) {
      const char32_t code = static_cast<char32_t>(random() % 0x110000);
      internal::AppendUtf8(code >= 0xD800 && code <= 0xDFFF ? U'?' : code, text);
    } else {
      text += kParts[random() % std::size(kParts)];
    }
  }
  return text;
}

// ---- The vocabulary

TEST(Tokenizer, KnowsItsVocabulary) {
  const Tokenizer tokenizer = Load(SmallTokenizer());
  EXPECT_EQ(tokenizer.vocabulary_size(), 11);
  EXPECT_EQ(tokenizer.TokenId("abcd"), 8);
  EXPECT_EQ(tokenizer.TokenId("<end>"), 10);
  EXPECT_EQ(tokenizer.TokenId("x"), std::nullopt);
  EXPECT_EQ(tokenizer.TokenContent(7), "cd");
  EXPECT_EQ(tokenizer.TokenContent(10), "<end>");
  EXPECT_EQ(tokenizer.TokenContent(11), "");
  EXPECT_EQ(tokenizer.TokenContent(-1), "");
  EXPECT_TRUE(tokenizer.IsSpecial(10));
  EXPECT_FALSE(tokenizer.IsSpecial(9));
  EXPECT_FALSE(tokenizer.IsSpecial(1 << 30));
  EXPECT_EQ(Demo().vocabulary_size(), 4096);
}

TEST(Tokenizer, BytesOfATokenMayBePartOfACharacter) {
  const Ids ids = *Demo().Encode(" 語");
  std::string bytes;
  for (const std::int32_t id : ids) {
    bytes += Demo().TokenBytes(id);
  }
  EXPECT_GT(ids.size(), 1u);
  EXPECT_EQ(bytes, " 語");
}

// ---- Encoding

TEST(Tokenizer, FindsSpecialTokensWhereItIsAskedTo) {
  const Tokenizer tokenizer = Load(SmallTokenizer());
  EXPECT_EQ(Tokens(tokenizer, "ab<end>ab"), (Contents{"ab", "<end>", "ab"}));
  EXPECT_EQ(Tokens(tokenizer, "ab<end>ab", {.parse_special_tokens = false}),
            (Contents{"ab", "e", "d", "ab"}));
}

// A model may know a special token as a piece: of one character, or of a word that nothing cuts.
TEST(Tokenizer, NoSpecialTokenComesOfATextThatMayHaveNone) {
  const Json json = *ParseJson(R"({"added_tokens": [
      {"id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
       "normalized": false, "special": true},
      {"id": 1, "content": "|", "single_word": false, "lstrip": false, "rstrip": false,
       "normalized": false, "special": true},
      {"id": 2, "content": "?", "single_word": false, "lstrip": false, "rstrip": false,
       "normalized": false, "special": true}],
      "model": {"type": "Unigram", "unk_id": 2, "byte_fallback": false, "vocab":
        [["<s>", 0], ["|", 0], ["?", -9], ["<", -4], ["s", -4], [">", -4], ["s>", -5], ["a", -3]]}})");
  const Tokenizer tokenizer = Load(json);
  EXPECT_EQ(*tokenizer.Encode("a<s>|a"), (Ids{7, 0, 1, 7}));
  const EncodeOptions as_text = {.parse_special_tokens = false};
  EXPECT_EQ(*tokenizer.Encode("a<s>|a", as_text), (Ids{7, 3, 6, 7}));
  EXPECT_EQ(*tokenizer.Encode("||", as_text), (Ids{}));
  EXPECT_EQ(*tokenizer.Encode("aé", as_text), (Ids{7, 2})) << "what is unknown stays so";
}

TEST(Tokenizer, ATemplatePutsTokensAroundTheText) {
  Json json = SmallTokenizer();
  json.Set("post_processor", *ParseJson(R"({"type": "Sequence", "processors": [
      {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
      {"type": "TemplateProcessing",
       "single": [{"SpecialToken": {"id": "[B]", "type_id": 0}},
                  {"Sequence": {"id": "A", "type_id": 0}},
                  {"SpecialToken": {"id": "<end>", "type_id": 0}}],
       "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
       "special_tokens": {"[B]": {"id": "[B]", "ids": [9, 4], "tokens": ["<unk>", "e"]},
                          "<end>": {"id": "<end>", "ids": [10], "tokens": ["<end>"]}}}]})"));
  const Tokenizer tokenizer = Load(json);
  EXPECT_EQ(*tokenizer.Encode("ab"), (Ids{9, 4, 6, 10}));
  EXPECT_EQ(*tokenizer.Encode(""), (Ids{9, 4, 10}));
  EXPECT_EQ(*tokenizer.Encode("ab", {.add_special_tokens = false}), (Ids{6}));
}

TEST(Tokenizer, OlderSpellingsOfATemplateAreTheSame) {
  Json json = SmallTokenizer();
  for (const char* processor :
       {R"({"type": "BertProcessing", "sep": ["b", 1], "cls": ["a", 0]})",
        R"({"type": "RobertaProcessing", "sep": ["b", 1], "cls": ["a", 0], "trim_offsets": true,
            "add_prefix_space": false})"}) {
    json.Set("post_processor", *ParseJson(processor));
    EXPECT_EQ(*Load(json).Encode("cd"), (Ids{0, 7, 1}));
    EXPECT_EQ(*Load(json).Encode("cd", {.add_special_tokens = false}), (Ids{7}));
  }
}

TEST(Tokenizer, ATextKeepsAllItsTokensWhateverTheFileWouldCutOrPad) {
  Json json = SmallTokenizer();
  json.Set("truncation", *ParseJson(R"({"direction": "Right", "max_length": 1, "stride": 0,
                                        "strategy": "LongestFirst"})"));
  json.Set("padding", *ParseJson(R"({"strategy": {"Fixed": 8}, "direction": "Right",
                                     "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0,
                                     "pad_token": "a"})"));
  EXPECT_EQ(*Load(json).Encode("cdab"), (Ids{7, 6}));
}

// The first text is given the mark of a word, the one behind an added token is not.
TEST(Tokenizer, KnowsWhatBeginsItsInput) {
  Json json = SmallTokenizer();
  json.Set("pre_tokenizer", *ParseJson(R"({"type": "Metaspace", "replacement": "e",
                                           "prepend_scheme": "first", "split": false})"));
  EXPECT_EQ(*Load(json).Encode("a<end>a b"), (Ids{4, 0, 10, 0, 4, 1}));
  EXPECT_EQ(*Load(json).Encode("<end>a"), (Ids{10, 0}));
}

TEST(Tokenizer, IllFormedTextCountsAsReplacementCharacters) {
  EXPECT_EQ(*Demo().Encode("a\xC3(b\xF0\x9F"), *Demo().Encode("a\uFFFD(b\uFFFD"));
}

TEST(Tokenizer, TooMuchTextIsRefused) {
  const Result<Ids> ids = Demo().Encode(std::string(Tokenizer::kMaxTextBytes + 1, 'a'));
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.error().code, ErrorCode::kInvalid);
}

TEST(Tokenizer, TextComesBackFromByteLevelTokensUnchanged) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 300; ++round) {
    const std::string text = RandomText(random);
    for (const bool parse : {true, false}) {
      const Ids ids = *Demo().Encode(text, {.parse_special_tokens = parse});
      ASSERT_EQ(Demo().Decode(ids, {.skip_special_tokens = false}), text);
    }
  }
}

// ---- Decoding

TEST(Tokenizer, SkipsSpecialTokensAndIdsWithoutATokenInText) {
  const Tokenizer tokenizer = Load(SmallTokenizer());
  const Ids ids = {6, 10, 11, -5, 1 << 29, 4};
  EXPECT_EQ(tokenizer.Decode(ids), "abe");
  EXPECT_EQ(tokenizer.Decode(ids, {.skip_special_tokens = false}), "ab<end>e");
}

TEST(StreamDecoder, GivesWholeCharactersAsSoonAsTheyAreThere) {
  const Ids ids = *Demo().Encode("é😀");
  StreamDecoder decoder(Demo());
  std::string text;
  for (const std::int32_t id : ids) {
    const std::string part = decoder.Push(id);
    EXPECT_TRUE(internal::IsUtf8(part));
    text += part;
  }
  EXPECT_EQ(text, "é😀");
  EXPECT_EQ(decoder.Finish(), "");
}

TEST(StreamDecoder, WhatIsLeftAtTheEndIsReplaced) {
  Ids ids = *Demo().Encode("a語");
  ids.pop_back();
  StreamDecoder decoder(Demo());
  std::string text;
  for (const std::int32_t id : ids) {
    text += decoder.Push(id);
  }
  EXPECT_EQ(text, "a");
  EXPECT_EQ(decoder.Finish(), "\uFFFD");
}

TEST(StreamDecoder, AnyIdsStreamToTheSameTextAsTheWholeAndAlwaysWellFormed) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 300; ++round) {
    Ids ids;
    for (std::size_t i = random() % 40; i > 0; --i) {
      // Mostly letters of single bytes, which rarely form characters.
      ids.push_back(static_cast<std::int32_t>(random() % (random() % 3 == 0 ? 4200 : 260)));
    }
    const DecodeOptions options{.skip_special_tokens = random() % 2 == 0};
    StreamDecoder decoder(Demo(), options);
    std::string text;
    for (const std::int32_t id : ids) {
      const std::string part = decoder.Push(id);
      ASSERT_TRUE(internal::IsUtf8(part));
      text += part;
    }
    const std::string rest = decoder.Finish();
    ASSERT_TRUE(internal::IsUtf8(rest));
    ASSERT_EQ(text + rest, Demo().Decode(ids, options));
  }
}

TEST(Tokenizer, ServesManyThreadsAtOnce) {
  std::mt19937_64 random(TestSeed());
  std::vector<std::string> texts;
  std::vector<Ids> expected;
  for (int i = 0; i < 50; ++i) {
    texts.push_back(RandomText(random));
    expected.push_back(*Demo().Encode(texts.back()));
  }
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < texts.size(); ++i) {
        count += *Demo().Encode(texts[i]) == expected[i] ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

// ---- The reference implementation's own answers

TEST(Tokenizer, AgreesWithTheReferenceOnEveryCaseBothWays) {
  const Path shared = internal::SharedFixtures();
  const Result<std::string> cases_text =
      ReadTextFile(shared / "fixtures/reference/tokenizer_cases.json");
  if (!cases_text.ok()) {
    GTEST_SKIP() << "no external fixtures: " << cases_text.error().message;
  }
  const Tokenizer tokenizer =
      *Tokenizer::FromJson(*ReadTextFile(shared / "models/lab/tokenizer.json"));
  const Json cases = *ParseJson(*cases_text);
  ASSERT_GT(cases.array()->size(), 30u);
  Tally tally;
  for (const Json& test_case : *cases.array()) {
    const std::string& text = *test_case.Find("text")->string();
    Ids ids;
    for (const Json& id : *test_case.Find("ids")->array()) {
      ids.push_back(static_cast<std::int32_t>(*id.integer()));
    }
    const std::string& decoded = *test_case.Find("decoded")->string();
    EXPECT_EQ(*tokenizer.Encode(text), ids) << text;
    EXPECT_EQ(tokenizer.Decode(ids, {.skip_special_tokens = false}), decoded) << text;
    EXPECT_EQ(DecodeAsStream(tokenizer, ids, {.skip_special_tokens = false}), decoded) << text;
    tally.Count(*tokenizer.Encode(text) == ids &&
                tokenizer.Decode(ids, {.skip_special_tokens = false}) == decoded);
  }
  Record({"tokenizer.json: models", "BPE", "fixtures/reference/tokenizer_cases.json",
          tally.text("texts, both ways"), tally.all()});
}

// testdata/reference.json: what the `tokenizers` library gives for texts of every kind of trouble,
// with each type of stage in at least one of its tokenizers.
TEST(Tokenizer, AgreesWithTheReferenceOnEveryTypeOfStage) {
  const Json file =
      *ParseJson(*ReadTextFile(ASHLAR_SOURCE_DIR "/ashlar/text/testdata/reference.json"));
  const Json::Array& texts = *file.Find("texts")->array();
  std::map<internal::TokenizerStage, Tally> tallies;
  const auto added = [](std::size_t id, std::string_view content, std::string_view flag) {
    Json token = Json::Of({{"id", id},
                           {"content", content},
                           {"single_word", false},
                           {"lstrip", false},
                           {"rstrip", false},
                           {"normalized", false},
                           {"special", flag.empty() || flag == "lstrip"}});
    if (!flag.empty()) {
      token.Set(flag, true);
    }
    return token;
  };
  for (const Json& row : *file.Find("tokenizers")->array()) {
    const Json& model = *file.Find("models")->Find(*row.Find("model")->string());
    const Json& vocab = *model.Find("vocab");
    const std::size_t end =
        vocab.array() != nullptr ? vocab.array()->size() : vocab.object()->size();
    Json tokens =
        Json::Array{added(end, "<s>", ""), added(end + 1, "[MASK]", "lstrip"),
                    added(end + 2, "<x>", "rstrip"), added(end + 3, "world", "single_word")};
    (*tokens.array())[2].Set("normalized", true);
    Json json = Json::Of({{"added_tokens", tokens}, {"model", model}});
    for (const char* role : {"normalizer", "pre_tokenizer", "post_processor", "decoder"}) {
      json.Set(role, *row.Find(role));
    }
    const Tokenizer tokenizer = Load(json);
    const auto stages = internal::StagesOf(json);
    json.Set("model", *row.Find("model"));
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const std::string& text = *texts[i].string();
      Ids expected;
      for (const Json& id : *(*row.Find("ids")->array())[i].array()) {
        expected.push_back(static_cast<std::int32_t>(*id.integer()));
      }
      const std::vector<std::int32_t> ids = *tokenizer.Encode(text);
      EXPECT_EQ(ids, expected) << WriteJson(json) << " " << WriteJson(text);
      const std::string decoded =
          DecodeAsStream(tokenizer, expected, {.skip_special_tokens = false});
      const std::string& expected_text = *(*row.Find("decoded")->array())[i].string();
      EXPECT_EQ(decoded, expected_text) << WriteJson(json) << " " << WriteJson(text);
      for (const auto& stage : stages) {
        tallies[stage].Count(ids == expected && decoded == expected_text);
      }
    }
  }
  for (const auto& [stage, tally] : tallies) {
    internal::RecordStage(stage, "testdata/reference.json", tally);
  }
}

TEST(Tokenizer, EncodesWithTheDemoNetworksVocabulary) {
  EXPECT_EQ(Tokens(Demo(), "Hello, world!"), (Contents{"Hel", "lo", ",", "Ġworld", "!"}));
  EXPECT_EQ(*Demo().Encode("I'VE naïve 1234567  x"),
            (Ids{44, 10, 2450, 304, 68, 131, 111, 357, 224, 3994, 3873, 25, 26, 224, 754}));
  EXPECT_EQ(Tokens(Demo(), "<|im_start|>user\n"), (Contents{"<|im_start|>", "user", "Ċ"}));
}

}  // namespace
}  // namespace ashlar
