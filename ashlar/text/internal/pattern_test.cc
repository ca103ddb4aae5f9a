#include "ashlar/text/internal/pattern.h"

#include <gtest/gtest.h>

namespace ashlar::internal {
namespace {

Pattern ParsePattern(std::string_view json_text) {
  const Json json = *ParseJson(json_text);
  Result<Pattern> pattern = Pattern::Parse(JsonCursor(json));
  CHECK(pattern.ok() || (ADD_FAILURE() << pattern.error().message, false));
  return *std::move(pattern);
}

std::vector<std::pair<int, int>> FindAll(const Pattern& pattern, std::string_view text) {
  std::vector<TextRange> matches;
  EXPECT_TRUE(PatternSearch(pattern, text.size()).FindAll(text, matches).ok());
  std::vector<std::pair<int, int>> pairs;
  for (const TextRange match : matches) {
    pairs.emplace_back(match.begin, match.end);
  }
  return pairs;
}

using Ranges = std::vector<std::pair<int, int>>;

TEST(Pattern, FindsLiteralsFromTheLeftWithoutOverlap) {
  EXPECT_EQ(FindAll(ParsePattern(R"({"String": "aa"})"), "aaaaa aa"),
            (Ranges{{0, 2}, {2, 4}, {6, 8}}));
  EXPECT_EQ(FindAll(ParsePattern(R"({"String": "."})"), "a.b"), (Ranges{{1, 2}}));
}

TEST(Pattern, FindsExpressionsBetweenWhatDoesNotMatch) {
  EXPECT_EQ(FindAll(ParsePattern(R"({"Regex": "[0-9]+"})"), "a12é3"), (Ranges{{1, 3}, {5, 6}}));
}

TEST(Pattern, AnEmptyMatchThatTouchesAnotherIsNone) {
  EXPECT_EQ(FindAll(ParsePattern(R"({"Regex": "x*"})"), "xxéx"), (Ranges{{0, 2}, {4, 5}}));
  EXPECT_EQ(FindAll(ParsePattern(R"({"Regex": "x*"})"), "éab"),
            (Ranges{{0, 0}, {2, 2}, {3, 3}, {4, 4}}));
  EXPECT_EQ(FindAll(ParsePattern(R"({"String": ""})"), "ab"), (Ranges{{0, 0}, {1, 1}, {2, 2}}));
  EXPECT_EQ(FindAll(ParsePattern(R"({"Regex": "x*"})"), ""), (Ranges{{0, 0}}));
}

TEST(Pattern, SeesWhatStandsBeforeAMatch) {
  EXPECT_EQ(FindAll(ParsePattern(R"({"Regex": "(?<=a)b"})"), "abb"), (Ranges{{1, 2}}));
}

// Each of these takes exponential or high polynomial time without a bound.
TEST(Pattern, ABacktrackingBombEndsInAnErrorSoon) {
  const std::string letters(4000, 'a');
  const std::string blanks(4000, ' ');
  for (const auto& [expression, text] :
       {std::pair<std::string, std::string>{"(?:a+)+[xy]", letters},
        {"(?:a|aa)+[xy]", letters},
        {R"(\s*\s*\s*\s*\s*[xy])", blanks},
        {"(?:(?:a*)*)*[xy]", letters},
        {"(?:.*.*.*.*.*.*)[xy]", letters}}) {
    const Result<Pattern> pattern = Pattern::Regex(expression);
    ASSERT_TRUE(pattern.ok()) << expression;
    std::vector<TextRange> matches;
    const Status status = PatternSearch(*pattern, text.size()).FindAll(text, matches);
    ASSERT_FALSE(status.ok()) << expression;
    EXPECT_EQ(status.error().code, ErrorCode::kExhausted) << status.error().message;
  }
}

TEST(Pattern, LongRunsThatRealPatternsBacktrackOverAreWithinTheBound) {
  const std::string blanks(1 << 20, ' ');
  EXPECT_EQ(FindAll(*Pattern::Regex(R"(\s*[\r\n]+|\s+(?!\S)|\s+)"), blanks + "x"),
            (Ranges{{0, (1 << 20) - 1}, {(1 << 20) - 1, 1 << 20}}));
  EXPECT_EQ(FindAll(*Pattern::Regex(R"((?:\p{L}|\p{M})+)"), std::string(1 << 19, 'a')),
            (Ranges{{0, 1 << 19}}));
}

TEST(Pattern, AMalformedPatternSaysWhatIsExpected) {
  for (const char* text : {R"({})", R"({"Glob": "x"})", R"({"String": "a", "Regex": "b"})",
                           R"("a")", R"({"String": 3})", R"(null)"}) {
    const Json json = *ParseJson(text);
    const Result<Pattern> pattern = Pattern::Parse(JsonCursor(json));
    ASSERT_FALSE(pattern.ok()) << text;
    EXPECT_EQ(pattern.error().code, ErrorCode::kInvalid) << text;
  }
  const Json json = *ParseJson(R"({"Regex": "("})");
  const std::string message = Pattern::Parse(JsonCursor(json)).error().message;
  EXPECT_TRUE(message.starts_with("$.Regex: ")) << message;
}

}  // namespace
}  // namespace ashlar::internal
