#include "ashlar/text/internal/vocabulary.h"

#include <map>
#include <random>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <malloc.h>

#include "ashlar/text/internal/stage.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar::internal {
namespace {

std::string ErrorOf(Vocabulary& vocabulary, std::string_view content, std::int64_t id) {
  const Status added = vocabulary.Add(content, id);
  return added.ok() ? "" : added.error().message;
}

TEST(Vocabulary, MapsContentsAndIdsBothWaysWhateverTheIdsAre) {
  std::mt19937 random(5);
  std::map<std::string, std::int32_t> model;
  std::map<std::int32_t, std::string> by_id;
  Vocabulary vocabulary;
  EXPECT_EQ(vocabulary.Id("a"), std::nullopt);
  EXPECT_EQ(vocabulary.Content(0), std::nullopt);
  EXPECT_EQ(vocabulary.size(), 0);
  for (int i = 0; i < 3000; ++i) {
    if (i == 1000) {
      vocabulary.Reserve(2000);
    }
    const std::string content = i == 7 ? "" : fmt::format("{}", random() % 5000);
    // Some are neighbours, some far away, and some multiples of what a table may be as large as.
    const auto id = static_cast<std::int32_t>(i % 3 == 0   ? i
                                              : i % 3 == 1 ? random() % Tokenizer::kMaxTokenId
                                                           : random() % 256 << 16);
    const bool is_new = !model.contains(content) && !by_id.contains(id);
    ASSERT_EQ(vocabulary.Add(content, id).ok(), is_new) << content << ' ' << id;
    if (is_new) {
      model[content] = id;
      by_id[id] = content;
    }
  }
  const Vocabulary moved = std::move(vocabulary);
  EXPECT_EQ(moved.size(), by_id.rbegin()->first + 1);
  for (int i = 0; i < 5000; ++i) {
    const std::string content = fmt::format("{}", i);
    const auto found = model.find(content);
    ASSERT_EQ(moved.Id(content),
              found == model.end() ? std::nullopt : std::optional(found->second));
    ASSERT_EQ(moved.Content(i).has_value(), by_id.contains(i)) << i;
  }
  std::map<std::string, std::int32_t> visited;
  moved.ForEach([&](std::string_view content, std::int32_t id) {
    visited.emplace(content, id);
    ASSERT_EQ(moved.Content(id), content);
  });
  EXPECT_EQ(visited, model);
}

TEST(Vocabulary, RefusesWhatContradictsItself) {
  Vocabulary vocabulary;
  ASSERT_TRUE(vocabulary.Add("a", 1).ok());
  EXPECT_EQ(ErrorOf(vocabulary, "b", 1), "the id 1 belongs to both \"a\" and \"b\"");
  EXPECT_EQ(ErrorOf(vocabulary, "a", 2), "the token \"a\" has both the ids 1 and 2");
  EXPECT_EQ(ErrorOf(vocabulary, "b", -1), "the id of \"b\" is -1, not in 0 to 16777215");
  EXPECT_EQ(ErrorOf(vocabulary, "b", 1 << 24), "the id of \"b\" is 16777216, not in 0 to 16777215");
  EXPECT_EQ(ErrorOf(vocabulary, std::string(kMaxLiteralBytes + 1, 'b'), 2),
            "the token with id 2 has 4097 bytes, more than 4096");
  EXPECT_EQ(vocabulary.size(), 2);
}

// (A server keeps one for each distinct tokenizer.)
TEST(Vocabulary, TakesAFewDozenBytesAToken) {
  constexpr int kTokens = 40000;
  const auto before = mallinfo2();
  Vocabulary vocabulary;
  vocabulary.Reserve(kTokens);
  for (int i = 0; i < kTokens; ++i) {
    ASSERT_TRUE(vocabulary.Add(fmt::format("{:06}", i), 3 * i).ok());
  }
  const auto after = mallinfo2();  // (zeros where a sanitizer has the heap)
  const auto bytes = static_cast<std::int64_t>(after.uordblks + after.hblkhd) -
                     static_cast<std::int64_t>(before.uordblks + before.hblkhd);
  EXPECT_LE(bytes, kTokens * (48 + 2 * 6));
}

}  // namespace
}  // namespace ashlar::internal
