#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/sanitized.h"
#include "ashlar/base/test_seed.h"
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

// Of the kinds that llama.cpp gives as examples.
constexpr const char* kArithmetic = R"gbnf(
root ::= (sum "=" blank number "\n")+
sum ::= product ([-+] blank product)*
product ::= factor ([*/] blank factor)*
factor ::= number | name | "(" blank sum ")" blank
number ::= [0-9]+ ("." [0-9]{1,4})? blank
name ::= [a-z] [a-z0-9_]* blank
blank ::= [ \t]*
)gbnf";
constexpr const char* kChess = R"gbnf(
# Moves by number, in algebraic notation.
root ::= ("1. " move " " move "\n") ([1-9] [0-9]? ". " move (" " move)? "\n")*
move ::= (man | pawn | castling) [+#]?
man ::= [NBRQK] [a-h]? [1-8]? "x"? square
pawn ::= ([a-h] "x")? square ("=" [NBRQ])?
square ::= [a-h] [1-8]
castling ::= "O-O" "-O"?
)gbnf";
constexpr const char* kList = "root ::= item+\nitem ::= \"- \" [^\\r\\n\\x0b\\x0c\\x85]+ \"\\n\"";
constexpr const char* kProgram = R"gbnf(
root ::= (type name "(" (type name ("," _ type name)*)? ")" _ block)+
type ::= ("int" | "float" | "char" "*"?) " " _
block ::= "{" _ statement* "}" _
statement ::= "return" (" " _ sum)? ";" _ | name "=" _ sum ";" _ | name call ";" _ |
  "if" _ "(" _ test ")" _ block ("else" _ block)? |
  "while" _ "(" _ test ")" _ block
test ::= sum ("<=" | "<" | "==" | "!=" | ">=" | ">") _ sum
sum ::= value ([-+*/%] _ value)*
value ::= [0-9]+ _ | name call? | "(" _ sum ")" _ | "\"" ([^"\\] | "\\" .)* "\"" _
call ::= "(" _ (sum ("," _ sum)*)? ")" _
name ::= [a-zA-Z_] [a-zA-Z_0-9]* _
_ ::= ([ \t\n] _)?
)gbnf";
constexpr const char* kJapanese = R"gbnf(
root ::= sentence+ ([ \t\n] sentence+)*
sentence ::= (hiragana | katakana | kanji | [0-9])+ [、。！？]
hiragana ::= [ぁ-ゟ]
katakana ::= [\u30a1-\u30ff]
kanji ::= [一-\U00009fff]
)gbnf";

TEST(Gbnf, GrammarsOfTheUsualKindsAreRead) {
  const GbnfCase cases[] = {
      {kArithmetic,
       {"1+2*(x_1 - 3.25)=7\n", "a=1\nb = 2\n"},
       {"1+=2\n", "(1=2\n", "1=2", "1=x\n", "1.23456=1\n"}},
      {kChess,
       {"1. e4 e5\n2. Nf3 Nc6\n3. Bb5 a6\n4. O-O Nge7\n12. exd8=Q+ R1xd8#\n13. Qa1b2\n",
        "1. d4 d5\n"},
       {"1. e4\n", "1. e9 e5\n", "1. e4 e5\n2. Ne\n", "1. O-O-O-O e5\n"}},
      {kList,
       {"- a\n- 日本 (b)\n"},
       {"", "-a\n", "- \n", "- a",
        "- a\xC2\x85"
        "b\n"}},
      {kProgram,
       {"int main(int n, char* s) { x = 1 + f(2, \"a\\\"\"); while (x <= n) { g(); } return x; }",
        "int f(){if(a<b){return 1;}else{}}"},
       {"int main() { return 1 }", "int f(){a = \"b;}", "main(){}"}},
      {kJapanese,
       {"こんにちは。", "テスト、漢字。\n二十日。", "ー！"},
       {"hello。", "こん", "。", "\xE3\x81"}},
  };
  std::mt19937_64 random(TestSeed());
  for (const GbnfCase& item : cases) {
    const Grammar grammar = Gbnf(item.text);
    for (const std::string& sentence : item.sentences) {
      const Reading reading = Read(grammar, sentence);
      EXPECT_TRUE(reading.whole) << item.text << "\n" << sentence << " stops at " << reading.bytes;
    }
    for (const std::string& other : item.others) {
      EXPECT_FALSE(Read(grammar, other).whole) << item.text << "\n" << other;
    }
    // However an answer goes on, it is never stuck, and never out of work.
    const auto masks = JsonMasks(grammar);
    for (int i = 0; i < (kSanitized ? 1 : 5); ++i) {
      RandomAnswer(masks, random, 300);
    }
  }
}

// Tokens end within characters, and begin there.
TEST(Gbnf, PartsOfACharacterAreHeldToItsSet) {
  std::vector<std::string> tokens(257);
  for (int byte = 0; byte < 256; ++byte) {
    tokens[byte] = std::string(1, static_cast<char>(byte));
  }
  for (const char* token : {"\xE3", "\xE3\x81", "\xE3\x83", "\x81\x82", "\x82\xE3\x81\x84",
                            "\x82\xE3\x83", "あ", "あい", "あ\xE3", "ア"}) {
    tokens.emplace_back(token);
  }
  const std::int32_t ends[] = {kByteEnd};
  const auto masks = std::make_shared<GrammarMasks>(
      Gbnf("root ::= [あ-お]{2,3}"), std::make_shared<const TokenVocabulary>(tokens), ends);
  const auto allowed = [&masks](Constraint& answer) {
    const TokenVocabulary& vocabulary = masks->vocabulary();
    std::vector<std::string> texts;
    const auto mask = answer.Allowed();
    EXPECT_TRUE(mask.ok());
    for (std::int32_t token = 0; token < vocabulary.size(); ++token) {
      if (IsAllowed(*mask, token)) {
        texts.emplace_back(token == kByteEnd ? "end" : vocabulary.Bytes(token));
      }
    }
    return texts;
  };
  using ::testing::UnorderedElementsAre;
  Constraint answer(masks);
  EXPECT_THAT(allowed(answer),
              UnorderedElementsAre("\xE3", "\xE3", "\xE3\x81", "あ", "あい", "あ\xE3"));
  ASSERT_TRUE(answer.Accept(0xE3).ok());
  EXPECT_THAT(allowed(answer), UnorderedElementsAre("\x81", "\x81\x82"));
  ASSERT_TRUE(answer.Accept(0x81).ok());
  EXPECT_THAT(allowed(answer), UnorderedElementsAre("\x82", "\x83", "\x84", "\x85", "\x86", "\x87",
                                                    "\x88", "\x89", "\x8A", "\x82\xE3\x81\x84"));
  ASSERT_TRUE(answer.Accept(257 + 4).ok());
  EXPECT_THAT(allowed(answer), UnorderedElementsAre("\xE3", "\xE3", "\xE3\x81", "あ", "end"));
  ASSERT_TRUE(answer.Accept(257 + 6).ok());
  EXPECT_THAT(allowed(answer), UnorderedElementsAre("end"));
  EXPECT_TRUE(answer.must_end());
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
