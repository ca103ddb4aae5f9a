#include "ashlar/base/ascii.h"

#include <gtest/gtest.h>

namespace ashlar {
namespace {

TEST(Ascii, KnowsItsLettersAndDigitsAndNoOthers) {
  std::string found;
  for (int c = -128; c < 128; ++c) {
    if (IsAsciiLetterOrDigit(static_cast<char>(c))) {
      found += static_cast<char>(c);
    }
  }
  EXPECT_EQ(found, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
}

TEST(Ascii, LowersItsOwnCapitalsOnly) {
  EXPECT_EQ(AsciiLower("[AZ]@{az}\u00c4\u0130"), "[az]@{az}\u00c4\u0130");
}

TEST(Ascii, ComparesWithoutCase) {
  EXPECT_TRUE(EqualsIgnoringCase("Content-TYPE", "content-type"));
  EXPECT_FALSE(EqualsIgnoringCase("chunked", "chunke"));
  EXPECT_FALSE(EqualsIgnoringCase("[", "{"));  // which differ by that bit
}

}  // namespace
}  // namespace ashlar
