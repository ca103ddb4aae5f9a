#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/grammar/testing_answers.h"

namespace ashlar {
namespace {

Grammar Gbnf(std::string_view text) {
  Result<Grammar> grammar = ParseGbnf(text);
  EXPECT_TRUE(grammar.ok()) << grammar.error().message << "\n" << text;
  return *grammar;
}

struct GbnfCase {
  const char* text;
  std::vector<std::string> sentences;
  std::vector<std::string> others;
};

TEST(Gbnf, DerivesWhatItsNotationSays) {
  const GbnfCase cases[] = {
      {"root ::= \"yes\" | \"no\"", {"yes", "no"}, {"", "y", "yesno", "nope"}},
      {"root ::= \"a\"* \"b\"+ \"c\"?", {"b", "aab", "bbc", "abbc"}, {"", "a", "ac", "bcc"}},
      {"root ::= \"ab\"{2} \"c\"{1,} \"d\"{0,2}", {"ababc", "ababccdd"}, {"abc", "ababcddd"}},
      {"root ::= [a-c0-] [^x-z\\]]", {"a0", "-w", "0é", "b\n"}, {"d0", "ax", "a]", "a"}},
      {"root ::= .", {"x", "é", "😀", "\n"}, {"", "xy", "\xC3", "\xFF"}},
      {"# a list\nroot ::= item (\",\" # more\n  item)*\n\nitem ::= \"x\" |\n \"y\" # end",
       {"x", "x,y,x"},
       {",", "x,", "xy"}},
      {"root ::= \"\\x41\\u00e9\\U0001F600\\n\\\"\\\\\"", {"Aé😀\n\"\\"}, {"A", "Aé😀n\"\\"}},
      {"root ::= \"(\" root \")\" | ", {"", "()", "((()))"}, {"(", "(()", "())"}},
      // Left recursion, ambiguity, rules that derive nothing.
      {"root ::= root \"+\" n | n\nn ::= [0-9]", {"1", "1+2", "1+2+3"}, {"+", "1+", "12"}},
      {"root ::= root root | \"a\" | \"\"", {"", "a", "aaaaaaaa"}, {"b", "ab"}},
      {"root ::= a b a\na ::= \"x\" | b\nb ::= b | c\nc ::= \"\" | \"y\" c",
       {"", "x", "xx", "xyyyx", "yy"},
       {"xxx", "z"}},
      {"root ::= \"a\" dead | \"b\"\ndead ::= \"c\" dead", {"b"}, {"a", "ac", "acc"}},
      {"root ::= ws \"x\" ws\nws ::= | \" \" ws", {"x", " x  "}, {"", "x y"}},
  };
  for (const GbnfCase& item : cases) {
    const Grammar grammar = Gbnf(item.text);
    for (const std::string& sentence : item.sentences) {
      EXPECT_TRUE(Read(grammar, sentence).whole) << item.text << "\n" << sentence;
    }
    for (const std::string& other : item.others) {
      EXPECT_FALSE(Read(grammar, other).whole) << item.text << "\n" << other;
    }
  }
}

TEST(Gbnf, RefusesWithThePlace) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "there is no rule \"root\""},
      {"root := \"a\"", "at line 1, column 6: expected \"::=\""},
      {"root ::= \"a", "expected \"\\\"\" at the end of a text, found the end"},
      {"root ::= [a", "at the end of a set"},
      {"root ::= [b-a]", "a range in a set ends before it begins"},
      {"root ::= (\"a\"", "expected \")\", found the end"},
      {"root ::= \"a\" )", "column 14: expected the end of the rule, found \")\""},
      {"root ::= \"a\" | b\n", "at line 1, column 17: the rule \"b\" is used and not defined"},
      {"root ::= \"a\"\nroot ::= \"b\"",
       "at line 2, column 1: the rule \"root\" is defined a second"},
      {"root ::= \"a\"{3,2}", "expected {m}, {m,} or {m,n} with m <= n"},
      {"root ::= \"\\q\"", "is no escape"},
      {"root ::= \"\\ud800\"", "expected 4 hexadecimal digits of a character after \\u"},
      {"root ::= <think> \"a\"", "a token in the place of text"},
      {"root ::= \"a\" root", "no text satisfies the grammar"},
      {"root ::= \"a\"{1000000000}", "takes more than 262144 states"},
      {"root ::= ((\"ab\"{1000}){1000}){1000}\n x ::= \"a\"{1000000}", "takes more than"},
      {"root ::= " + std::string(100, '('), "groups are nested deeper than 64"},
      {"root ::= \"\xFF\"", "byte 10 is not UTF-8"},
      {std::string(2 << 20, ' '), "more than the 1048576 allowed"},
  };
  for (const auto& [text, message] : cases) {
    const Result<Grammar> grammar = ParseGbnf(text);
    ASSERT_FALSE(grammar.ok()) << text.substr(0, 80);
    EXPECT_THAT(grammar.error().message, ::testing::HasSubstr(message)) << text.substr(0, 80);
  }
}

}  // namespace
}  // namespace ashlar
