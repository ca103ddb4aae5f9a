// The example of README.md is a family that is compiled and held to its reference's logits.
#include <algorithm>

#include <gtest/gtest.h>

#include "ashlar/base/file.h"

namespace ashlar {
namespace {

TEST(FormatsReadme, QuotesAFamilyOfFewerThanSixtyLinesAsItStands) {
  const Path folder = Path(ASHLAR_SOURCE_DIR) / "ashlar/formats";
  const std::string readme = *ReadTextFile(folder / "README.md");
  const std::string family = *ReadTextFile(folder / "architectures/cohere.cc");
  EXPECT_LT(std::ranges::count(family, '\n'), 60);
  const std::string opening = "```cpp\n";
  const std::size_t begin = readme.find(opening);
  ASSERT_NE(begin, readme.npos);
  EXPECT_NE(readme.substr(0, begin).find("`cohere.cc` as it stands"), readme.npos);
  const std::size_t end = readme.find("```", begin + opening.size());
  ASSERT_NE(end, readme.npos);
  EXPECT_EQ(readme.substr(begin + opening.size(), end - begin - opening.size()), family);
}

}  // namespace
}  // namespace ashlar
