#include "ashlar/text/internal/oniguruma.h"

#include <gtest/gtest.h>

#include "ashlar/text/internal/pattern.h"
#include "ashlar/text/internal/utf8.h"

namespace ashlar::internal {
namespace {

// Whether the whole of `text` is one match of `pattern`.
bool FullyMatches(std::string_view pattern, std::string_view text) {
  Result<Pattern> compiled = Pattern::Regex(pattern);
  CHECK(compiled.ok() || (ADD_FAILURE() << compiled.error().message, false));
  std::vector<TextRange> matches;
  EXPECT_TRUE(PatternSearch(*compiled, text.size()).FindAll(text, matches).ok());
  return matches.size() == 1 && matches[0].begin == 0 && matches[0].end == text.size();
}

std::string Utf8(char32_t code) {
  std::string text;
  AppendUtf8(code, text);
  return text;
}

std::string CompileError(std::string_view pattern, ErrorCode code) {
  const Result<Pattern> compiled = Pattern::Regex(pattern);
  EXPECT_FALSE(compiled.ok()) << pattern;
  if (compiled.ok()) {
    return "";
  }
  EXPECT_EQ(compiled.error().code, code) << pattern << ": " << compiled.error().message;
  return compiled.error().message;
}

TEST(Oniguruma, SpaceIsUnicodesWhiteSpaceAndNothingElse) {
  for (const char32_t space : {0x9, 0xA, 0xB, 0xC, 0xD, 0x20, 0x85, 0xA0, 0x1680, 0x2000, 0x200A,
                               0x2028, 0x2029, 0x202F, 0x205F, 0x3000}) {
    EXPECT_TRUE(FullyMatches(R"(\s)", Utf8(space))) << std::hex << std::uint32_t{space};
    EXPECT_TRUE(FullyMatches(R"([\s])", Utf8(space))) << std::hex << std::uint32_t{space};
    EXPECT_FALSE(FullyMatches(R"(\S)", Utf8(space))) << std::hex << std::uint32_t{space};
    EXPECT_FALSE(FullyMatches(R"([\S])", Utf8(space))) << std::hex << std::uint32_t{space};
    EXPECT_FALSE(FullyMatches(R"([^\s])", Utf8(space))) << std::hex << std::uint32_t{space};
  }
  // The first is a space of PCRE2's, the second of JavaScript's.
  for (const char32_t other : {0x180E, 0xFEFF, 0x200B, 0x8, 0xE, 0x1F, 0x84, 0x86, 0x10FFFF}) {
    EXPECT_FALSE(FullyMatches(R"(\s)", Utf8(other))) << std::hex << std::uint32_t{other};
    EXPECT_TRUE(FullyMatches(R"(\S)", Utf8(other))) << std::hex << std::uint32_t{other};
    EXPECT_TRUE(FullyMatches(R"([\S])", Utf8(other))) << std::hex << std::uint32_t{other};
  }
}

TEST(Oniguruma, WordsHaveMarksAndDecimalDigitsButOfOtherNumbersOnlyLatin1s) {
  for (const char* word : {"a", "_", "7", "é", "\xCC\x81", "語", "Ⅳ", "‿"}) {
    EXPECT_TRUE(FullyMatches(R"(\w)", word)) << word;
    EXPECT_TRUE(FullyMatches(R"([\w])", word)) << word;
    EXPECT_FALSE(FullyMatches(R"(\W)", word)) << word;
  }
  EXPECT_TRUE(FullyMatches(R"(\w)", "²"));
  EXPECT_FALSE(FullyMatches(R"([\w])", "²"));
  EXPECT_FALSE(FullyMatches(R"(\w)", "①"));
  EXPECT_TRUE(FullyMatches(R"(a\b,\B\.)", "a,."));
}

TEST(Oniguruma, AScriptIsWhatUnicodeCallsScriptNotItsExtensions) {
  EXPECT_TRUE(FullyMatches(R"(\p{Han})", "漢"));
  EXPECT_FALSE(FullyMatches(R"(\p{Han})", "。"));
  EXPECT_TRUE(FullyMatches(R"(\P{Han})", "。"));
  EXPECT_TRUE(FullyMatches(R"(\p{^Han})", "。"));
  EXPECT_TRUE(FullyMatches(R"([\pL\p{Nd}]+)", "x7"));
}

TEST(Oniguruma, EscapesThatPcre2ReadsOtherwiseKeepTheirMeaning) {
  EXPECT_TRUE(FullyMatches(R"(\h+)", "09afAF"));
  EXPECT_FALSE(FullyMatches(R"(\h)", " "));
  EXPECT_TRUE(FullyMatches(R"(\v)", "\v"));
  EXPECT_FALSE(FullyMatches(R"(\v)", "\n"));
  EXPECT_TRUE(FullyMatches(R"([\v])", "\v"));
  EXPECT_FALSE(FullyMatches(R"([\v])", "\n"));
  EXPECT_TRUE(FullyMatches(R"(\u4e00)", "一"));
  EXPECT_TRUE(FullyMatches(R"([\u4e00-\u9fff])", "語"));
  EXPECT_TRUE(FullyMatches(R"(\x{1F600}\x41)", "😀A"));
  EXPECT_TRUE(FullyMatches(R"([\b])", "\b"));
  EXPECT_TRUE(FullyMatches(R"(a{,2})", "aa"));
  EXPECT_TRUE(FullyMatches(R"(a{x})", "a{x}"));
}

TEST(Oniguruma, AnchorsAreOfLinesAndTheDotStopsThere) {
  EXPECT_TRUE(FullyMatches("(?:^a$\n?)+", "a\na"));
  EXPECT_TRUE(FullyMatches(".", "\r"));
  EXPECT_FALSE(FullyMatches(".", "\n"));
}

TEST(Oniguruma, CaseIsIgnoredWhereTheGroupSaysSo) {
  EXPECT_TRUE(FullyMatches("(?i:'s)", "'S"));
  EXPECT_TRUE(FullyMatches("(?i:'s)", "'ſ"));
  EXPECT_FALSE(FullyMatches("(?i:a)b", "aB"));
}

TEST(Oniguruma, PatternsOfPublishedTokenizersTranslate) {
  for (
      const char* pattern : {
          R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
          R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
          R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
          R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)",
          "[一-龥぀-ゟ゠-ヿ]+",
          R"(\p{N}{1,3}(?=(?:\p{N}{3})*(?:\P{N}|$)))",
      }) {
    const Result<Pattern> compiled = Pattern::Regex(pattern);
    EXPECT_TRUE(compiled.ok()) << pattern << ": " << compiled.error().message;
  }
}

TEST(Oniguruma, WhatHasNoTranslationIsRefusedByName) {
  for (const char* pattern :
       {"[a-z&&[aeiou]]", "[[:alpha:]]", "(?m:.)", "(?x) a",  "(?i)a",   "(?~ab)",
        "(*ACCEPT)",      "(?R)",        R"(\G)",  R"(\X)",   R"(\K)",   R"(\1)",
        R"(\g<1>)",       "a{2}+",       "a{2}?",  R"([\W])", R"(\xE9)", R"([\s-x])",
        R"([a-\s])",      "[]a]",        R"(\y)",  R"(\C)",   R"(\Q)"}) {
    CompileError(pattern, ErrorCode::kUnsupported);
  }
  EXPECT_EQ(CompileError("a[b[:alpha:]]", ErrorCode::kUnsupported),
            R"("[:" at byte 3 of a regular expression is not supported)");
}

TEST(Oniguruma, BrokenPatternsAreInvalid) {
  for (const char* pattern :
       {"(", "[a", R"(\)", R"([\)", R"(\p)", R"(\p{)", R"(\p{})", R"(\p{Klingon})", R"(\x{})",
        R"(\x{110000})", R"(\x{123456789})", R"(\u12)", "a**", "+", "a{3,2}", "[b-a]", "(?<=a*)",
        "((a{60000}){60000}){60000}"}) {
    CompileError(pattern, ErrorCode::kInvalid);
  }
}

}  // namespace
}  // namespace ashlar::internal
