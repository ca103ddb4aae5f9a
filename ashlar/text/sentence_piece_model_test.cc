#include "ashlar/text/sentence_piece_model.h"

#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_evidence.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/text/internal/test_tokenizer.h"

namespace ashlar::internal {
namespace {

std::string TestFile(std::string_view name) {
  const Result<std::string> file =
      ReadTextFile(Path(ASHLAR_SOURCE_DIR "/ashlar/text/testdata") / name);
  CHECK(file.ok());
  return *file;
}

Tokenizer LoadModel(std::string_view model, const SentencePieceOptions& options = {}) {
  const Result<std::string> json = SentencePieceTokenizerJson(model, options);
  CHECK(json.ok() || (ADD_FAILURE() << json.error().message, false));
  return *Tokenizer::FromJson(*json);
}

// testdata: models that spm_train made (one with rules of its own, user-defined symbols and spaces
// joined; one with bytes for unknown text and spaces kept; one of words, one of characters), and
// the ids that spm_encode gives.
TEST(SentencePieceModel, GivesTheIdsThatSentencepieceGives) {
  for (const std::string name : {"unigram", "bpe", "word", "char"}) {
    const Tokenizer tokenizer = LoadModel(TestFile(name + ".model"));
    std::istringstream lines(TestFile(name + ".jsonl"));
    Tally tally;
    for (std::string line; std::getline(lines, line);) {
      const Json json = *ParseJson(line);
      std::vector<std::int32_t> expected;
      for (const Json& id : *json.Find("ids")->array()) {
        expected.push_back(static_cast<std::int32_t>(*id.integer()));
      }
      const std::string& text = *json.Find("text")->string();
      const auto found = *tokenizer.Encode(text, {.parse_special_tokens = false});
      EXPECT_EQ(found, expected) << name << " " << line;
      tally.Count(found == expected);
    }
    EXPECT_GT(tally.total, 100);
    Record({"sentencepiece's tokenizer.model", name, "testdata/" + name + ".model",
            tally.text("lines"), tally.all()});
    for (const TokenizerStage& stage :
         StagesOf(*ParseJson(*SentencePieceTokenizerJson(TestFile(name + ".model"))))) {
      if (stage.first != "decoders") {  // ids only are compared
        RecordStage(stage, "testdata/" + name + ".model", tally);
      }
    }
  }
}

TEST(SentencePieceModel, PutsAroundATextWhatItIsAskedTo) {
  const std::string model = TestFile("bpe.model");
  const Tokenizer bare = LoadModel(model);
  const auto ids = *bare.Encode("the house");
  const Tokenizer both = LoadModel(model, {.before = "<s>", .after = "</s>"});
  auto expected = ids;
  expected.insert(expected.begin(), *bare.TokenId("<s>"));
  expected.push_back(*bare.TokenId("</s>"));
  EXPECT_EQ(*both.Encode("the house"), expected);
  EXPECT_EQ(both.Decode(expected), "the house");
  EXPECT_TRUE(both.IsSpecial(expected[0]));

  const Json more = *ParseJson(
      R"([{"id": 420, "content": "<|end|>", "single_word": false, "lstrip": false,
           "rstrip": false, "normalized": false, "special": true}])");
  const Tokenizer added = LoadModel(model, {.before = "<|end|>", .added_tokens = more});
  EXPECT_EQ(added.vocabulary_size(), 421);
  EXPECT_EQ(*added.Encode("<|end|>"), (std::vector<std::int32_t>{420, 420}));

  const Tokenizer unprefixed = LoadModel(model, {.add_dummy_prefix = false});
  EXPECT_EQ(*unprefixed.Encode(" the house"), ids);
}

// ---- Files that lie.

std::string Varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) {
    bytes.push_back(static_cast<char>(value | 0x80));
  }
  return bytes + static_cast<char>(value);
}

std::string Bytes(int number, std::string_view value) {
  return Varint(static_cast<std::uint64_t>(number) << 3 | 2) + Varint(value.size()) +
         std::string(value);
}

std::string Integer(int number, std::uint64_t value) {
  return Varint(static_cast<std::uint64_t>(number) << 3) + Varint(value);
}

std::string Piece(std::string_view content, int type) {
  return Bytes(1, Bytes(1, content) + Integer(3, static_cast<std::uint64_t>(type)));
}

TEST(SentencePieceModel, WhatIsNoModelIsRefusedByName) {
  const std::string good = Piece("<unk>", 2) + Piece("a", 1);
  ASSERT_TRUE(SentencePieceTokenizerJson(good).ok());
  const struct {
    std::string file;
    const char* message;
  } lies[] = {
      {"", "no piece is of the type unknown"},
      {"hello", "offset"},
      {good.substr(0, good.size() - 1), "needs"},
      {good + '\x80', "varint"},
      {good + std::string(11, '\xFF'), "over 64 bits"},
      {good + Varint(1 << 3 | 3), "wire type 3"},
      {good + std::string(1, '\0') + '\0', "the number 0"},
      {good + Varint(1 << 3 | 2) + Varint(~0ull), "18446744073709551615"},
      {good + Integer(1, 5), "the field 1 has the wire type 0"},
      {good + Piece("a", 1), R"(pieces 1 and 2 are both "a")"},
      {good + Piece("b", 2), "both of the type unknown"},
      {good + Piece("b", 9), "piece 2: its type is 9"},
      {good + Piece("b", -1), "piece 2: its type is -1"},
      {good + Piece("", 1), "empty"},
      {good + Piece("\xFF", 1), "UTF-8"},
      {good + Bytes(1, Bytes(1, "b") + Varint(2 << 3 | 5) + "\xFF\xFF\xFF\x7F"), "not finite"},
      {good + Piece(std::string(1000, 'x'), 1), "512"},
      {good + Bytes(2, Integer(3, 5)), "the model type is 5"},
      {good + Bytes(2, Integer(3, 4)) + Piece("ab", 1), "more than a character"},
      {good + Bytes(2, Integer(3, 3) + Integer(24, 1)), "spaces behind"},
      {good + Bytes(2, Integer(3, 2)) + Piece("b", 5), "unused"},
      {good + Bytes(3, Bytes(2, "\xFF\xFF\xFF\xFFxx")), "charsmap"},
      {good + Bytes(3, Integer(99, 1)), "the field 99"},
      {good + Bytes(5, Bytes(2, "x")), "denormalizer_spec"},
  };
  for (const auto& lie : lies) {
    const Result<std::string> json = SentencePieceTokenizerJson(lie.file);
    ASSERT_FALSE(json.ok()) << lie.message;
    EXPECT_NE(json.error().message.find(lie.message), std::string::npos) << json.error().message;
    EXPECT_LT(json.error().message.size(), 500u);
  }
  EXPECT_FALSE(SentencePieceTokenizerJson(good, {.before = "<s>"}).ok()) << "it has no <s>";
}

// (A user-defined piece outweighs the highest score as many times as it has bytes.)
TEST(SentencePieceModel, AScoreThatUserDefinedPiecesCannotOutweighIsRefused) {
  const std::string highest = Varint(2 << 3 | 5) + "\xFF\xFF\x7F\x7F";  // of all floats
  const std::string model = Piece("<unk>", 2) + Bytes(1, Bytes(1, "a") + highest);
  EXPECT_TRUE(SentencePieceTokenizerJson(model).ok());
  const Result<std::string> json = SentencePieceTokenizerJson(model + Piece("bc", 4));
  ASSERT_FALSE(json.ok());
  EXPECT_EQ(
      json.error().message,
      "piece 2 (\"bc\") is user-defined, and 2 times the highest score, 3.4028235e+38, is not "
      "finite");
}

TEST(SentencePieceModel, AFlippedBitIsAnErrorOrATokenizer) {
  const std::string good = TestFile("unigram.model");
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 60; ++round) {
    std::string bad = good;
    bad[random() % bad.size()] ^= static_cast<char>(1 << random() % 8);
    const Result<std::string> json = SentencePieceTokenizerJson(bad);
    if (json.ok()) {
      EXPECT_TRUE(Tokenizer::FromJson(*json)->Encode("the aaa <ud> é\u3000x").ok());
    }
  }
}

}  // namespace
}  // namespace ashlar::internal
