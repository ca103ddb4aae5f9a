#include "ashlar/text/internal/utf8.h"

#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"

namespace ashlar::internal {
namespace {

TEST(Utf8, EveryScalarValueSurvivesWritingAndReading) {
  for (char32_t code = 0; code <= 0x10FFFF; ++code) {
    if (code >= 0xD800 && code <= 0xDFFF) {
      continue;
    }
    std::string text;
    AppendUtf8(code, text);
    ASSERT_TRUE(IsUtf8(text)) << std::hex << std::uint32_t{code};
    ASSERT_EQ(FirstChar(text).code, code);
    ASSERT_EQ(FirstChar(text).size, text.size());
    ASSERT_EQ(LastChar("é" + text).code, code);
  }
}

// The example of the Unicode standard, table 3-8, and the borders of table 3-7.
TEST(Utf8, EachMaximalPartOfAnIllFormedSequenceIsOneReplacement) {
  EXPECT_EQ(RepairUtf8("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
            "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
  EXPECT_EQ(RepairUtf8("\xC0\xAF"), "\uFFFD\uFFFD");            // overlong
  EXPECT_EQ(RepairUtf8("\xE0\x80\x80"), "\uFFFD\uFFFD\uFFFD");  // overlong
  EXPECT_EQ(RepairUtf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");  // a surrogate
  EXPECT_EQ(RepairUtf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(RepairUtf8("\xF0\x9F\x98"), "\uFFFD");  // the end comes too soon
  EXPECT_EQ(RepairUtf8("\xFF"), "\uFFFD");
}

TEST(Utf8, RepairingByteByByteIsRepairingTheWhole) {
  std::mt19937_64 random(TestSeed());
  // Bytes that meet all borders often.
  constexpr std::string_view kBytes =
      "aZ\x80\x8F\x90\x9F\xA0\xBF\xC1\xC2\xDF\xE0\xED\xEF\xF0\xF4\xF5";
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (std::size_t i = random() % 12; i > 0; --i) {
      bytes.push_back(kBytes[random() % kBytes.size()]);
    }
    Utf8Repair repair;
    std::string text;
    for (const char byte : bytes) {
      std::string part;
      repair.Append(std::string_view(&byte, 1), part);
      ASSERT_TRUE(IsUtf8(part));
      text += part;
    }
    repair.Finish(text);
    ASSERT_EQ(text, RepairUtf8(bytes));
    ASSERT_TRUE(IsUtf8(text));
    ASSERT_EQ(IsUtf8(bytes), text == bytes);
  }
}

}  // namespace
}  // namespace ashlar::internal
