#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
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

TEST(Sequence, RunsFromFirstToLast) {
  EXPECT_EQ(Normalize(R"({"type": "Sequence", "normalizers": [
      {"type": "Prepend", "prepend": " "},
      {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, {"type": "NFC"}]})",
                      "a b"),
            "▁a▁b");
  EXPECT_EQ(Normalize(R"({"type": "Sequence", "normalizers": []})", "A"), "A");
}

}  // namespace
}  // namespace ashlar::internal
