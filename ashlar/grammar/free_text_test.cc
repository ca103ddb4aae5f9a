// Text that is free but for what a mark begins.
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/grammar/testing_answers.h"

namespace ashlar {
namespace {

TEST(FreeText, EndsWithTheFirstMark) {
  const Grammar up_to = FreeTextUpToMark({.mark = "<<a>"});
  for (const std::string_view text :
       {"<<a>", "x<<a>", "<<<a>", "<<<<a>", "<<a<<a>", "\xFF\n<<a>"}) {
    EXPECT_TRUE(Read(up_to, text).whole) << text;
  }
  for (const std::string_view text : {"", "<<a", "<<a>x", "<<a><<a>", "<a>"}) {
    EXPECT_FALSE(Read(up_to, text).whole) << text;
  }
  EXPECT_EQ(Read(up_to, "<<a>x").bytes, 4u);
}

TEST(FreeText, WithoutItsMarkIsAnythingElse) {
  const Grammar without = FreeTextWithoutMark({.mark = "<<a>"});
  for (const std::string_view text : {"", "<<a", "<<ab", "\xC3 <", "<<<"}) {
    EXPECT_TRUE(Read(without, text).whole) << text;
  }
  EXPECT_EQ(Read(without, "x<<<a>").bytes, 5u);
}

TEST(FreeText, RandomTextIsReadAsFarAsTheMark) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 300; ++round) {
    std::string mark;
    for (auto size = 1 + random() % 5; size > 0; --size) {
      mark += static_cast<char>('a' + random() % 2);
    }
    std::string text;
    for (int i = 0; i < 30; ++i) {
      text += static_cast<char>('a' + random() % 3);
    }
    const std::size_t found = text.find(mark);
    const bool there = found != std::string::npos;
    const auto up_to = Read(FreeTextUpToMark({.mark = mark}), text);
    EXPECT_EQ(up_to.bytes, there ? found + mark.size() : text.size()) << mark << " in " << text;
    const auto without = Read(FreeTextWithoutMark({.mark = mark}), text);
    EXPECT_EQ(without.bytes, there ? found + mark.size() - 1 : text.size()) << mark << text;
    EXPECT_EQ(without.whole, !there);
  }
}

TEST(FreeText, DoesNotBeginWithWhatItMayNot) {
  const FreeText text = {.mark = "<a>", .not_first = "{;"};
  for (const Grammar& grammar : {FreeTextUpToMark(text), FreeTextWithoutMark(text)}) {
    EXPECT_EQ(Read(grammar, " \n\t\r {").bytes, 5u);
    EXPECT_EQ(Read(grammar, ";").bytes, 0u);
    EXPECT_EQ(Read(grammar, "x{;").bytes, 3u);
  }
  EXPECT_TRUE(Read(FreeTextUpToMark(text), " <a>").whole);
}

TEST(Gbnf, IsMadeOfGrammarsThatAreGiven) {
  const NamedGrammar given[] = {{"list", *GrammarFromJsonSchema(R"({"type": "array", "items":
      {"$ref": "#/$defs/x"}, "$defs": {"x": {"enum": ["é", {"$ref": 1}]}}})")},
                                {"word", *ParseGbnf("root ::= [a-z]+ end\nend ::= \"!\" | \"\"")}};
  const auto grammar = ParseGbnfWith("root ::= word \":\" list (\",\" word)*", given);
  ASSERT_TRUE(grammar.ok()) << grammar.error().message;
  for (const std::string_view text : {"a:[]", "ab!:[\"é\", {\"$ref\":1}],c!,d"}) {
    EXPECT_TRUE(Read(*grammar, text).whole) << text;
  }
  for (const std::string_view text : {":[]", "a:[", "a:[\"e\"]", "a!!:[]", "a:[],"}) {
    EXPECT_FALSE(Read(*grammar, text).whole) << text;
  }
  const auto twice = ParseGbnfWith("root ::= word\nword ::= \"a\"", given);
  ASSERT_FALSE(twice.ok());
  EXPECT_THAT(twice.error().message, ::testing::HasSubstr("defined a second time"));
}

TEST(Constraint, SilentTokensMayComeWhereTheTextIsWholeAndChangeNothing) {
  const std::vector<std::string> tokens = {"a", "b", "", "", ""};
  constexpr std::int32_t kEndToken = 2;
  constexpr std::int32_t kSilent = 3;
  const std::int32_t ends[] = {kEndToken};
  const std::int32_t silent[] = {kSilent};
  Constraint constraint(std::make_shared<GrammarMasks>(
      *ParseGbnf("root ::= (\"a\" \"b\")*"), std::make_shared<TokenVocabulary>(tokens), ends,
      std::make_shared<MaskBytes>(1 << 20), silent));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ((*constraint.Allowed())[0], 0b01101u);
    ASSERT_TRUE(constraint.Accept(kSilent).ok());
    EXPECT_FALSE(constraint.Accept(4).ok());
    ASSERT_TRUE(constraint.Accept(0).ok());
    EXPECT_EQ((*constraint.Allowed())[0], 0b00010u);
    EXPECT_FALSE(constraint.Accept(kSilent).ok());
    ASSERT_TRUE(constraint.Accept(1).ok());
  }
  ASSERT_TRUE(constraint.Accept(kEndToken).ok());
  EXPECT_FALSE(constraint.Accept(kSilent).ok());
}

}  // namespace
}  // namespace ashlar
