#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/text/internal/test_charsmap.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/normalizers/normalizer.h"

namespace ashlar::internal {
namespace {

std::string Normalize(std::string_view json_text, std::string text) {
  const Json json = *ParseJson(json_text);
  Result<StageList<Normalizer>> stages = ParseNormalizers(JsonCursor(json));
  CHECK(stages.ok() || (ADD_FAILURE() << stages.error().message, false));
  for (const auto& stage : *stages) {
    EXPECT_TRUE(stage->Apply(text, 64u << 20).ok());
  }
  return text;
}

constexpr std::string_view kNfc = R"({"type": "NFC"})";
constexpr std::string_view kNfd = R"({"type": "NFD"})";
constexpr std::string_view kNfkc = R"({"type": "NFKC"})";
constexpr std::string_view kNfkd = R"({"type": "NFKD"})";

TEST(UnicodeForm, ComposesAndDecomposes) {
  const std::string angstrom = "\u212B";  // the sign, the letter, the parts
  EXPECT_EQ(Normalize(kNfc, angstrom), "\u00C5");
  EXPECT_EQ(Normalize(kNfd, angstrom), "A\u030A");
  EXPECT_EQ(Normalize(kNfc, "A\u030A"), "\u00C5");
  EXPECT_EQ(Normalize(kNfc, "\uFB01"), "\uFB01");
  EXPECT_EQ(Normalize(kNfkc, "\uFB01 \u00BD \u2460"), "fi 1\u20442 1");
  EXPECT_EQ(Normalize(kNfkd, "\u1E9B\u0323"), "s\u0323\u0307");
  EXPECT_EQ(Normalize(kNfkc, "\u1E9B\u0323"), "\u1E69");
  EXPECT_EQ(Normalize(kNfd, "\uAC01"), "\u1100\u1161\u11A8");
  EXPECT_EQ(Normalize(kNfc, "\u1100\u1161\u11A8"), "\uAC01");
  // Composition exclusion: decomposes, never composes.
  EXPECT_EQ(Normalize(kNfc, "\u0958"), "\u0915\u093C");
  // The longest decomposition.
  EXPECT_EQ(Normalize(kNfkd, "\uFDFA"), Normalize(kNfkc, "\uFDFA"));
}

TEST(UnicodeForm, EachFormIsAFixpointAndComposingUndoesDecomposing) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int i = 0; i < 20; ++i) {
      const char32_t code = random() % 3 == 0 ? 0x300 + random() % 0x70 : random() % 0x3000 + 0x20;
      AppendUtf8(code, text);
    }
    for (const std::string_view form : {kNfc, kNfd, kNfkc, kNfkd}) {
      const std::string once = Normalize(form, text);
      ASSERT_EQ(Normalize(form, once), once) << form;
    }
    ASSERT_EQ(Normalize(kNfc, Normalize(kNfd, text)), Normalize(kNfc, text));
    ASSERT_EQ(Normalize(kNfd, Normalize(kNfc, text)), Normalize(kNfd, text));
  }
}

TEST(UnicodeForm, AMillionMarksInTheWrongOrderDoNotHang) {
  std::string text = "a";
  for (int i = 0; i < 500000; ++i) {
    text += "\u0301\u0323";  // above, then below: each pair is in the wrong order
  }
  EXPECT_EQ(Normalize(kNfd, text).substr(0, 5), "a\u0323\u0323");
}

TEST(Lowercase, GoesCharacterByCharacter) {
  EXPECT_EQ(Normalize(R"({"type": "Lowercase"})", "ÀΣİßЖ!"), "àσi\u0307ßж!");
}

TEST(Prepend, LeavesAnEmptyTextEmpty) {
  EXPECT_EQ(Normalize(R"({"type": "Prepend", "prepend": "▁"})", "a"), "▁a");
  EXPECT_EQ(Normalize(R"({"type": "Prepend", "prepend": "▁"})", ""), "");
}

TEST(Replace, PutsTheContentForEveryMatch) {
  EXPECT_EQ(
      Normalize(R"({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})", " a  b"),
      "▁a▁▁b");
  EXPECT_EQ(Normalize(R"({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "$1"})",
                      "a   b c"),
            "a$1b c");
  EXPECT_EQ(Normalize(R"({"type": "Replace", "pattern": {"String": "x"}, "content": ""})", "axb"),
            "ab");
}

TEST(Bert, EachSettingDoesItsPart) {
  const auto bert = [](bool clean, bool chinese, std::string_view accents, bool lower,
                       std::string text) {
    return Normalize(
        fmt::format(R"({{"type": "BertNormalizer", "clean_text": {}, "handle_chinese_chars": {},
                         "strip_accents": {}, "lowercase": {}}})",
                    clean, chinese, accents, lower),
        std::move(text));
  };
  EXPECT_EQ(bert(true, false, "false", false, "a\tb\u00A0c\u0001\u200Bd\uFFFD\u0085\u000Be"),
            "a b cde");
  EXPECT_EQ(bert(false, true, "false", false, "a中b\u30A2\uF900"), "a 中 b\u30A2 \uF900 ");
  EXPECT_EQ(bert(false, false, "true", false, "Éa\u0903\uAC00"), "Ea\u0903\u1100\u1161");
  EXPECT_EQ(bert(false, false, "false", true, "ÉA"), "éa");
  EXPECT_EQ(bert(true, true, "null", true, "É中"), "e 中 ");  // accents go with capitals
  EXPECT_EQ(bert(true, true, "null", false, "É"), "É");
}

TEST(Strip, TakesWhiteSpaceOffTheEndsThatItSays) {
  const auto strip = [](bool left, bool right) {
    return Normalize(
        fmt::format(R"({{"type": "Strip", "strip_left": {}, "strip_right": {}}})", left, right),
        "\u3000 a b\n\t");
  };
  EXPECT_EQ(strip(true, true), "a b");
  EXPECT_EQ(strip(true, false), "a b\n\t");
  EXPECT_EQ(strip(false, true), "\u3000 a b");
  EXPECT_EQ(Normalize(R"({"type": "Strip", "strip_left": true, "strip_right": true})", " \n"), "");
}

TEST(ByCharacter, MarksControlsAndBytes) {
  EXPECT_EQ(Normalize(R"({"type": "StripAccents"})", "e\u0301\u0903é\u20DD"), "eé");
  EXPECT_EQ(Normalize(R"({"type": "Nmt"})", "a\u0001b\tc\u200Bd\u2581\uFEFF\u007F\u0085"),
            "ab c d  \u0085");
  EXPECT_EQ(Normalize(R"({"type": "ByteLevel"})", " é\n"), "ĠÃ©Ċ");
}

std::string MapJson(std::string_view type, std::string_view settings) {
  return fmt::format(R"({{"type": "{}", "precompiled_charsmap": "{}"{}}})", type,
                     ToBase64(CharsmapWriter::Write({{"a", "A"},
                                                     {"ab", "[ab]"},
                                                     {"e\u0301", "é"},
                                                     {"\t", " "},
                                                     {"\u00A8", " \u0308"},
                                                     {"\u200B", ""}})),
                     settings);
}

// Its entry for "ab" is never found: a grapheme here is one letter.
TEST(Precompiled, MapsGraphemesThenCharacters) {
  EXPECT_EQ(Normalize(MapJson("Precompiled", ""), "abe\u0301\tc"), "Abé c");
  // The whole grapheme becomes what its shortest front does.
  EXPECT_EQ(Normalize(MapJson("Precompiled", ""), "a\u0301"), "A");
  // Of 7 bytes: character by character.
  EXPECT_EQ(Normalize(MapJson("Precompiled", ""), "a\u0301\u0301\u0301"), "A\u0301\u0301\u0301");
  EXPECT_EQ(Normalize(R"({"type": "Precompiled", "precompiled_charsmap": ""})", "a"), "a");
}

TEST(SentencePiece, DoesWhatSentencepieceDoes) {
  const auto normalize = [](bool prefix, bool join, bool escape, bool suffix, std::string text) {
    return Normalize(
        MapJson("SentencePiece",
                fmt::format(R"(, "add_dummy_prefix": {}, "remove_extra_whitespaces": {},
                                "escape_whitespaces": {}, "treat_whitespace_as_suffix": {},
                                "user_defined": ["abc", "  x"])",
                            prefix, join, escape, suffix)),
        std::move(text));
  };
  EXPECT_EQ(normalize(true, true, true, false, " \t ab  b\tc  "), "▁[ab]▁b▁c");
  EXPECT_EQ(normalize(true, true, true, true, " b  b "), "b▁b▁");
  EXPECT_EQ(normalize(true, false, true, false, " b  b "), "▁▁b▁▁b▁");
  EXPECT_EQ(normalize(false, false, false, false, " b\tb "), " b b ");
  EXPECT_EQ(normalize(true, true, true, false, " \t "), "");
  EXPECT_EQ(normalize(true, false, true, false, " "), "▁▁");
  EXPECT_EQ(normalize(true, false, true, false, ""), "");
  EXPECT_EQ(normalize(false, true, true, false, "b \u00A8 \u200B b"), "b▁\u0308▁b");
  EXPECT_EQ(normalize(false, true, true, false, "abcabd"), "abc[ab]d");
  EXPECT_EQ(normalize(false, true, true, false, "b  x"), "b▁▁x");
}

TEST(Sequence, RunsFromFirstToLast) {
  EXPECT_EQ(Normalize(R"({"type": "Sequence", "normalizers": [
      {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, {"type": "NFC"}]},
      {"type": "Prepend", "prepend": "A"}]})",
                      "B"),
            "Ab");
  EXPECT_EQ(Normalize(R"({"type": "Sequence", "normalizers": [
      {"type": "Prepend", "prepend": " "},
      {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, {"type": "NFC"}]})",
                      "a b"),
            "▁a▁b");
  EXPECT_EQ(Normalize(R"({"type": "Sequence", "normalizers": []})", "A"), "A");
}

}  // namespace
}  // namespace ashlar::internal
