#include <gtest/gtest.h>

#include "ashlar/text/internal/test_tokenizer.h"

namespace ashlar::internal {
namespace {

struct Flags {
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
  bool normalized = false;
  bool special = false;
};

Json Added(std::int32_t id, std::string_view content, const Flags& flags = {}) {
  return Json::Of({{"id", id},
                   {"content", content},
                   {"single_word", flags.single_word},
                   {"lstrip", flags.lstrip},
                   {"rstrip", flags.rstrip},
                   {"normalized", flags.normalized},
                   {"special", flags.special}});
}

Json With(std::vector<Json> added, std::string_view normalizer = "null") {
  Json json = SmallTokenizer();
  json.Set("added_tokens", std::move(added));
  json.Set("normalizer", *ParseJson(normalizer));
  return json;
}

using Contents = std::vector<std::string>;

TEST(AddedTokens, TheLongestAtTheLeftmostPlaceIsTaken) {
  const Tokenizer tokenizer = Load(With({Added(20, "cde"), Added(21, "bc"), Added(22, "bcd")}));
  EXPECT_EQ(Tokens(tokenizer, "abcde"), (Contents{"a", "bcd", "e"}));
  EXPECT_EQ(Tokens(tokenizer, "abce"), (Contents{"a", "bc", "e"}));
  EXPECT_EQ(Tokens(tokenizer, "cdebc"), (Contents{"cde", "bc"}));
}

TEST(AddedTokens, StrippingTakesTheWhiteSpaceBesideTheToken) {
  const Tokenizer left = Load(With({Added(20, "<x>", {.lstrip = true})}));
  EXPECT_EQ(Tokens(left, "a \n<x> b"), (Contents{"a", "<x>", " ", "b"}));
  const Tokenizer right = Load(With({Added(20, "<x>", {.rstrip = true})}));
  EXPECT_EQ(Tokens(right, "a <x>\u3000 <x> "), (Contents{"a", " ", "<x>", "<x>"}));
  const Tokenizer both = Load(With({Added(20, "<x>", {.lstrip = true, .rstrip = true})}));
  EXPECT_EQ(Tokens(both, " <x> <x> "), (Contents{"<x>", "<x>"}));
}

TEST(AddedTokens, ATokenOfWhiteSpaceInsideOfStrippedSpaceIsFound) {
  const Tokenizer tokenizer =
      Load(With({Added(20, "<x>", {.rstrip = true}), Added(21, "\n", {.rstrip = true})}));
  EXPECT_EQ(Tokens(tokenizer, "<x> \n a"), (Contents{"<x>", "\n", "a"}));
}

TEST(AddedTokens, ASingleWordStandsAlone) {
  const Tokenizer tokenizer = Load(With({Added(20, "cde", {.single_word = true})}));
  EXPECT_EQ(Tokens(tokenizer, "a cde b"), (Contents{"a", " ", "cde", " ", "b"}));
  EXPECT_EQ(Tokens(tokenizer, "cde"), (Contents{"cde"}));
  EXPECT_EQ(Tokens(tokenizer, "acde"), (Contents{"a", "cd", "e"}));
  EXPECT_EQ(Tokens(tokenizer, "cdeé"), (Contents{"cd", "e"}));
  EXPECT_EQ(Tokens(tokenizer, "cde_"), (Contents{"cd", "e"}));
  EXPECT_EQ(Tokens(tokenizer, "cde."), (Contents{"cde"}));
}

TEST(AddedTokens, NormalizedTokensAreFoundInTheNormalizedText) {
  const Tokenizer tokenizer = Load(
      With({Added(20, "BAD", {.normalized = true}), Added(21, "CAB")}, R"({"type": "Lowercase"})"));
  EXPECT_EQ(Tokens(tokenizer, "eBaDe"), (Contents{"e", "BAD", "e"}));
  EXPECT_EQ(Tokens(tokenizer, "CAB"), (Contents{"CAB"}));
  EXPECT_EQ(Tokens(tokenizer, "Cab"), (Contents{"c", "ab"}));
}

TEST(AddedTokens, SpecialTokensOfUsersStayText) {
  const Tokenizer tokenizer = Load(With({Added(20, "e<", {.special = true}), Added(21, "de")}));
  EXPECT_EQ(Tokens(tokenizer, "ae<de"), (Contents{"a", "e<", "de"}));
  EXPECT_EQ(Tokens(tokenizer, "ae<de", {.parse_special_tokens = false}),
            (Contents{"a", "e", "de"}));
}

// Each of a million tokens strips to both sides. In quadratic time this would take an hour.
TEST(AddedTokens, StrippingTakesLinearTime) {
  const std::string blanks(1 << 20, ' ');
  const Tokenizer tokenizer = Load(With({Added(5, " ", {.lstrip = true, .rstrip = true})}));
  EXPECT_EQ(tokenizer.Encode(blanks)->size(), blanks.size());
}

}  // namespace
}  // namespace ashlar::internal
