#include <gtest/gtest.h>

#include "ashlar/text/pre_tokenizers/pre_tokenizer.h"

namespace ashlar::internal {
namespace {

using Cut = std::vector<std::string>;

Cut Cuts(std::string_view json_text, std::string text, bool begins_input = true) {
  const Json json = *ParseJson(json_text);
  Result<StageList<PreTokenizer>> stages = ParsePreTokenizers(JsonCursor(json));
  CHECK(stages.ok() || (ADD_FAILURE() << stages.error().message, false));
  Pieces pieces{.text = std::move(text), .ranges = {}, .max_bytes = 1u << 20};
  pieces.begins_input = begins_input;
  pieces.ranges.push_back({0, static_cast<std::uint32_t>(pieces.text.size())});
  for (const auto& stage : *stages) {
    EXPECT_TRUE(stage->Apply(pieces).ok());
  }
  Cut cut;
  for (const TextRange range : pieces.ranges) {
    cut.emplace_back(pieces.View(range));
  }
  return cut;
}

Cut SplitInto(std::string_view behavior, std::string text, bool invert = false,
              std::string_view pattern = R"({"String": "-"})") {
  return Cuts(fmt::format(R"({{"type": "Split", "pattern": {}, "behavior": "{}", "invert": {}}})",
                          pattern, behavior, invert),
              std::move(text));
}

// The cases of the reference's documentation, and matches that touch at both ends.
TEST(Split, EachBehaviourPutsTheMatchesWhereItSays) {
  EXPECT_EQ(SplitInto("Removed", "the-final--countdown"), (Cut{"the", "final", "countdown"}));
  EXPECT_EQ(SplitInto("Isolated", "the-final--countdown"),
            (Cut{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(SplitInto("MergedWithPrevious", "the-final--countdown"),
            (Cut{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(SplitInto("MergedWithNext", "the-final--countdown"),
            (Cut{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(SplitInto("Contiguous", "the-final--countdown"),
            (Cut{"the", "-", "final", "--", "countdown"}));
  EXPECT_EQ(SplitInto("Removed", "--a-"), (Cut{"a"}));
  EXPECT_EQ(SplitInto("MergedWithPrevious", "--a-"), (Cut{"-", "-", "a-"}));
  EXPECT_EQ(SplitInto("MergedWithNext", "--a-"), (Cut{"-", "-a", "-"}));
  EXPECT_EQ(SplitInto("Contiguous", "--a-"), (Cut{"--", "a", "-"}));
}

TEST(Split, InvertedItIsWhatLiesBetweenThatCounts) {
  EXPECT_EQ(SplitInto("Removed", "a-b", true), (Cut{"-"}));
  EXPECT_EQ(SplitInto("Isolated", "a-b", true), (Cut{"a", "-", "b"}));
  EXPECT_EQ(SplitInto("MergedWithNext", "a-b", true), (Cut{"a-", "b"}));
  EXPECT_EQ(SplitInto("MergedWithPrevious", "a-b", true), (Cut{"a", "-b"}));
}

TEST(Split, ALiteralIsNoExpression) {
  EXPECT_EQ(SplitInto("Isolated", "a.b", false, R"({"String": "."})"), (Cut{"a", ".", "b"}));
  EXPECT_EQ(SplitInto("Isolated", "a.b", false, R"({"Regex": "."})"), (Cut{"a", ".", "b"}));
  EXPECT_EQ(SplitInto("Removed", "a.b", false, R"({"Regex": "."})"), (Cut{}));
}

TEST(Split, EmptyMatchesCutAndLeaveNoEmptyPieces) {
  EXPECT_EQ(SplitInto("Isolated", "abc", false, R"({"String": ""})"), (Cut{"a", "b", "c"}));
  EXPECT_EQ(SplitInto("Isolated", "a1b", false, R"json({"Regex": "(?=1)"})json"), (Cut{"a", "1b"}));
}

TEST(Digits, TogetherOrOneByOne) {
  EXPECT_EQ(Cuts(R"({"type": "Digits", "individual_digits": false})", "Hey 123 ½٣!"),
            (Cut{"Hey ", "123", " ", "½٣", "!"}));
  EXPECT_EQ(Cuts(R"({"type": "Digits", "individual_digits": true})", "a12"), (Cut{"a", "1", "2"}));
}

TEST(ByteLevel, WritesBytesAsLettersAndCutsAsGpt2Does) {
  EXPECT_EQ(Cuts(R"({"type": "ByteLevel", "add_prefix_space": false})", "I'm  né\n 12"),
            (Cut{"I", "'m", "Ġ", "ĠnÃ©", "Ċ", "Ġ12"}));
  EXPECT_EQ(Cuts(R"({"type": "ByteLevel", "add_prefix_space": true, "use_regex": false})", "a b"),
            (Cut{"ĠaĠb"}));
  EXPECT_EQ(Cuts(R"({"type": "ByteLevel", "add_prefix_space": true, "use_regex": false})", " a"),
            (Cut{"Ġa"}));
}

TEST(ByteLevel, EveryByteHasALetterOfItsOwn) {
  std::string text;
  for (char32_t code = 0; code < 0x800; ++code) {  // all bytes but those of longer characters
    text += code < 0x80 ? std::string(1, static_cast<char>(code))
                        : std::string{static_cast<char>(0xC0 | code >> 6),
                                      static_cast<char>(0x80 | (code & 0x3F))};
  }
  const Cut cut =
      Cuts(R"({"type": "ByteLevel", "add_prefix_space": false, "use_regex": false})", text);
  EXPECT_EQ(cut.size(), 1u);
  EXPECT_EQ(cut[0].find(' '), std::string::npos);
  EXPECT_EQ(cut[0].find('\0'), std::string::npos);
}

TEST(ByCharacter, CutsAtEachCharacterOfAKind) {
  EXPECT_EQ(Cuts(R"({"type": "BertPreTokenizer"})", "Hey, man!\u3000$5 中文。"),
            (Cut{"Hey", ",", "man", "!", "$", "5", "中文", "。"}));
  EXPECT_EQ(Cuts(R"({"type": "WhitespaceSplit"})", " a,\u00A0\nb "), (Cut{"a,", "b"}));
  EXPECT_EQ(Cuts(R"({"type": "Punctuation"})", "a?!b"), (Cut{"a", "?", "!", "b"}));
  EXPECT_EQ(Cuts(R"({"type": "Punctuation", "behavior": "Contiguous"})", "a?!b"),
            (Cut{"a", "?!", "b"}));
  EXPECT_EQ(Cuts(R"({"type": "Punctuation", "behavior": "Removed"})", "a—b"), (Cut{"a", "b"}));
  EXPECT_EQ(Cuts(R"({"type": "CharDelimiterSplit", "delimiter": "é"})", "aébéé"), (Cut{"a", "b"}));
}

TEST(Runs, OfWordsOfScriptsAndOfAFixedLength) {
  EXPECT_EQ(Cuts(R"({"type": "Whitespace"})", "it's a_b\u200D\u0301 !? \u24D0"),
            (Cut{"it", "'", "s", "a_b\u200D\u0301", "!?", "\u24D0"}));
  EXPECT_EQ(Cuts(R"({"type": "UnicodeScripts"})", "  どこで abc\u30FCдom 12"),
            (Cut{"どこで ", "abc", "\u30FC", "д", "om ", "12"}));
  EXPECT_EQ(Cuts(R"({"type": "UnicodeScripts"})", "漢字かなカナ"), (Cut{"漢字かなカナ"}));
  EXPECT_EQ(Cuts(R"({"type": "UnicodeScripts"})", "  "), (Cut{}));
  EXPECT_EQ(Cuts(R"({"type": "FixedLength", "length": 2})", "aé\n日x"), (Cut{"aé", "\n日", "x"}));
}

TEST(Metaspace, NewAndOldSpellings) {
  const auto metaspace = [](std::string_view settings, std::string text, bool begins = true) {
    return Cuts(fmt::format(R"({{"type": "Metaspace", "replacement": "▁"{}}})", settings),
                std::move(text), begins);
  };
  EXPECT_EQ(metaspace("", "Hey  you"), (Cut{"▁Hey", "▁", "▁you"}));
  EXPECT_EQ(metaspace(R"(, "split": false)", "Hey you"), (Cut{"▁Hey▁you"}));
  EXPECT_EQ(metaspace("", " Hey"), (Cut{"▁Hey"}));
  EXPECT_EQ(metaspace("", "▁Hey"), (Cut{"▁Hey"}));
  EXPECT_EQ(metaspace(R"(, "prepend_scheme": "never")", "Hey you"), (Cut{"Hey", "▁you"}));
  EXPECT_EQ(metaspace(R"(, "add_prefix_space": false)", "Hey you"), (Cut{"Hey", "▁you"}));
  EXPECT_EQ(metaspace(R"(, "add_prefix_space": true, "str_rep": "▁")", "Hey"), (Cut{"▁Hey"}));
  constexpr std::string_view kFirst = R"(, "add_prefix_space": true, "prepend_scheme": "first")";
  EXPECT_EQ(metaspace(kFirst, "Hey"), (Cut{"▁Hey"}));
  EXPECT_EQ(metaspace(kFirst, "Hey", false), (Cut{"Hey"}));
  EXPECT_EQ(Cuts(R"({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"},
                 {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first"}]})",
                 "a b"),
            (Cut{"_a", "b"}));
}

TEST(Sequence, EachStageCutsThePiecesOfTheOneBefore) {
  EXPECT_EQ(Cuts(R"({"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithNext", "invert": false},
      {"type": "Digits", "individual_digits": true},
      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})",
                 "ab 12"),
            (Cut{"ab", "Ġ", "1", "2"}));
}

}  // namespace
}  // namespace ashlar::internal
