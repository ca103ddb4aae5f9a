#include "ashlar/grammar/internal/regex.h"

#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/sanitized.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/base/test_time.h"
#include "ashlar/grammar/testing_answers.h"

namespace ashlar {
namespace {

struct RegexCase {
  const char* pattern;
  std::vector<std::string> matches;
  std::vector<std::string> others;
};

const RegexCase kRegexCases[] = {
    {"ab|cd*", {"ab", "c", "cddd"}, {"", "a", "abd"}},
    {"(?:a|b)+?c{2}", {"acc", "abcc"}, {"cc", "ac", "accc"}},
    {"(?<year>[0-9]{4})-\\d\\d", {"2024-01"}, {"24-01", "2024-1"}},
    {"a{2,}b{0,2}c{3}", {"aaccc", "aaaabbccc"}, {"accc", "aabbbccc"}},
    {"[^a-c\\d\\]-]", {"d", "é", "😀"}, {"a", "5", "]", "-", "", "dd"}},
    {"[\\w-]+\\.\\S\\s", {"a-b_.x ", "9.é\n"}, {"a.x", "é.x "}},
    {".", {"a", "é"}, {"\n", "\r", "\u2028", ""}},
    {"\\cJ\\cm\\uD83D\\uDE00[\\ud83d\\ude00-\\u{1F602}]", {"\n\r😀😁"}, {"\n\r😀😃", "Jm😀😁"}},
    {"\\x41\\u00e9\\u{1F600}\\n\\/\\-\\0", {std::string("Aé😀\n/-\0", 11)}, {"A"}},
    {"^(a|b)$", {"a", "b"}, {"ab", ""}},
    {"(^a|b$|c)*", {"a", "b", "acb", "cc", ""}, {"ca", "bc"}},
    {"|a", {"", "a"}, {"b"}},
    {"[^]", {"\n", "x"}, {""}},
    {"a[]|b", {"b"}, {"a"}},
};

TEST(Regex, MatchesWhatEcmaScriptsDo) {
  for (const RegexCase& item : kRegexCases) {
    const Result<Grammar> grammar = GrammarFromRegex(item.pattern);
    if (item.matches.empty()) {
      EXPECT_FALSE(grammar.ok()) << item.pattern;
      continue;
    }
    ASSERT_TRUE(grammar.ok()) << item.pattern << ": " << grammar.error().message;
    // The determined automaton is the same language.
    const auto nfa = grammar::ReadRegex(item.pattern)->Plain(false);
    SourceWork work;
    const auto dfa = *grammar::CharDfa::Of(nfa, work);
    for (const std::string& text : item.matches) {
      EXPECT_TRUE(Read(*grammar, text).whole) << item.pattern << " " << text;
      EXPECT_TRUE(dfa.Matches(text) && !dfa.Others().Matches(text)) << item.pattern << " " << text;
    }
    for (const std::string& text : item.others) {
      EXPECT_FALSE(Read(*grammar, text).whole) << item.pattern << " " << text;
      EXPECT_FALSE(dfa.Matches(text)) << item.pattern << " " << text;
    }
  }
}

TEST(Regex, RefusesWithThePlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"a(?=b)", "at byte 3: look-around is not supported"},
      {"(?<!a)b", "look-around"},
      {"(a)\\1", "a back reference is not supported"},
      {"\\bword\\b", "a border of words, is not supported"},
      {"\\p{L}", "a property of characters, is not supported"},
      {"(?i)a", "a group of this kind (flags) is not supported"},
      {"a**", "at byte 2: \"*\" has nothing to apply to"},
      {"a{2,1}", "expected {m}, {m,} or {m,n}"},
      {"(a", "expected \")\", found the end"},
      {"a)", "a \")\" without its \"(\""},
      {"[a", "expected \"]\", found the end"},
      {"[z-a]", "a range in a set"},
      {"\\q", "\\\"q\" is no escape"},
      {"\\u{110000}", "hexadecimal digits of a character"},
      {"\\uD83Dx", "hexadecimal digits of a character"},
      {"\\uD83D\\uD83D", "hexadecimal digits of a character"},
      {"\\c1", "expected a letter after \\c, found \"1\""},
      {"a$b", "no text satisfies"},
  };
  for (const auto& [pattern, message] : cases) {
    const Result<Grammar> grammar = GrammarFromRegex(pattern);
    ASSERT_FALSE(grammar.ok()) << pattern;
    EXPECT_THAT(grammar.error().message, ::testing::HasSubstr(message)) << pattern;
  }
}

// Random patterns of the parts that std::regex, which is another implementation, has as well.
std::string RandomPattern(std::mt19937_64& random, int depth) {
  static const char* const kAtoms[] = {"a", "b", "c", "[ab]", "[^a]", "[a-c]", "x?", "ab", "."};
  static const char* const kSigns[] = {"", "", "", "*", "+", "?", "{2}", "{1,2}", "{2,}"};
  std::string pattern;
  for (auto count = 1 + random() % 3; count > 0; --count) {
    const std::string atom = depth < 2 && random() % 3 == 0
                                 ? "(" + RandomPattern(random, depth + 1) + ")"
                                 : std::string("(?:") + kAtoms[random() % 9] + ")";
    pattern += atom + kSigns[random() % 9];
  }
  return depth < 2 && random() % 3 == 0 ? pattern + "|" + RandomPattern(random, depth + 1)
                                        : pattern;
}

TEST(Regex, AgreesWithAnotherImplementationOnRandomPatterns) {
  std::mt19937_64 random(TestSeed());
  int matched = 0;
  for (int round = 0; round < (kSanitized ? 15 : 60); ++round) {
    const std::string pattern = RandomPattern(random, 0);
    // libstdc++'s form that does not backtrack, which would take for ever.
    const std::regex reference(pattern,
                               std::regex::ECMAScript | std::regex_constants::__polynomial);
    const auto nfa = grammar::ReadRegex(pattern);
    ASSERT_TRUE(nfa.ok()) << pattern << ": " << nfa.error().message;
    SourceWork work;
    const auto whole = grammar::CharDfa::Of(nfa->Plain(false), work);
    const auto anywhere = grammar::CharDfa::Of(nfa->Plain(true), work);
    if (!whole.ok() || !anywhere.ok()) {
      continue;  // of more states than are made
    }
    const Grammar grammar = *GrammarFromRegex(pattern);
    for (int i = 0; i < 20; ++i) {
      std::string text;
      for (auto size = random() % 6; size > 0; --size) {
        text += "abcx"[random() % 4];
      }
      const bool expected = std::regex_match(text, reference);
      matched += expected;
      ASSERT_EQ(whole->Matches(text), expected) << pattern << " " << text;
      ASSERT_EQ(Read(grammar, text).whole, expected) << pattern << " " << text;
      ASSERT_EQ(anywhere->Matches(text), std::regex_search(text, reference))
          << pattern << " " << text;
    }
  }
  EXPECT_GT(matched, 10);
}

TEST(Regex, ConditionsOnOneTextAreOneAutomaton) {
  using grammar::CharDfa;
  SourceWork work;
  const auto of = [&work](const char* pattern) {
    return *CharDfa::Of(grammar::ReadRegex(pattern)->Plain(true), work);
  };
  const CharDfa both = *Both(*Both(of("^[a-z]+$"), of("ab"), work), *CharDfa::OfLength(3, 4), work);
  EXPECT_TRUE(both.Matches("abc") && both.Matches("zabz"));
  EXPECT_FALSE(both.Matches("ab") || both.Matches("zzabz") || both.Matches("acb"));
  EXPECT_TRUE(Both(both, of("^ABC"), work)->matches_nothing());
  EXPECT_TRUE(Both(both, both.Others(), work)->matches_nothing());
  const CharDfa sevens = *CharDfa::OfMultiples(7, work);
  for (int number = 0; number < 200; ++number) {
    EXPECT_EQ(sevens.Matches(std::to_string(number)), number % 7 == 0) << number;
  }
}

// A set of so many ranges, as a pattern or a rule.
std::string SetOfRanges(int count) {
  std::string set = "[";
  for (int i = 0; i < count; ++i) {
    grammar::AppendChar(static_cast<char32_t>(0x4E00 + 2 * i), set);
  }
  return set + "]";
}

TEST(Regex, PatternsThatExplodeDoNotHang) {
  using grammar::CharDfa;
  SourceWork work;
  EXPECT_EQ(GrammarFromRegex("(((a{100}){100}){100}){100}").error().code, ErrorCode::kExhausted);
  EXPECT_EQ(CharDfa::OfLength(0, 1 << 20).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(CharDfa::Of(grammar::ReadRegex("(a|b)*a(a|b){20}")->Plain(false), work).error().code,
            ErrorCode::kExhausted);
  // Many ranges in a set, and the set many times.
  EXPECT_EQ(GrammarFromRegex(SetOfRanges(10000) + "{50000}").error().code, ErrorCode::kExhausted);
  if (!kSanitized) {  // it would take 20 s
    EXPECT_EQ(ParseGbnf("root ::= " + SetOfRanges(10000) + "{50000}").error().code,
              ErrorCode::kExhausted);
  }
  EXPECT_TRUE(GrammarFromRegex(SetOfRanges(300) + (kSanitized ? "{50}" : "{500}")).ok());
}

TEST(Regex, ASetTakesTimeInProportionToItsMembers) {
  std::string set;
  for (char32_t code = 0x20000; code < 0x20000 + 200'000; code += 2) {
    grammar::AppendChar(code, set);
  }
  const double begin = CpuSeconds();
  const auto read = grammar::ReadRegex("[" + set + "]");
  EXPECT_LT(CpuSeconds() - begin, 12);  // where each member is added to a set of those before: 30
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_GT(read->size(), 100'000u);
}

TEST(Regex, AutomataOfOneSourceTakeNoMoreThanTheirWork) {
  using grammar::CharDfa;
  SourceWork work = {.left = SourceWork::kMost / 16};
  const auto large = grammar::ReadRegex(SetOfRanges(3000) + "*")->Plain(false);
  const CharDfa set = *CharDfa::Of(large, work);
  // A table of 15000 states and 6000 characters that are told apart.
  const auto product = Both(set, *CharDfa::OfLength(0, 15000), work);
  ASSERT_FALSE(product.ok());
  EXPECT_THAT(product.error().message, ::testing::HasSubstr("too much work together"));
  EXPECT_EQ(work.left, 0u);
  EXPECT_FALSE(CharDfa::Of(grammar::ReadRegex("a")->Plain(false), work).ok());
}

}  // namespace
}  // namespace ashlar
