#include "ashlar/text/internal/byte_tree.h"

#include <map>
#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/text/internal/charsmap.h"
#include "ashlar/text/internal/test_charsmap.h"

namespace ashlar::internal {
namespace {

std::map<std::size_t, std::int32_t> Prefixes(const ByteTree& tree, std::string_view text) {
  std::map<std::size_t, std::int32_t> found;
  tree.ForEachPrefix(text, [&](std::size_t size, std::int32_t id) { found[size] = id; });
  return found;
}

TEST(ByteTree, FindsEveryKeyThatATextBeginsWith) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 50; ++round) {
    const auto word = [&] {
      std::string text;
      for (std::size_t size = random() % 6; size > 0; --size) {
        text.push_back("ab\0\xFF"[random() % 4]);
      }
      return text;
    };
    std::map<std::string, std::int32_t> keys;
    for (int i = 0; i < 30; ++i) {
      keys.emplace(word(), i);
    }
    std::vector<ByteTree::Entry> entries;
    for (const auto& [key, id] : keys) {
      entries.push_back({key, id});
    }
    const ByteTree tree(entries);
    for (int i = 0; i < 50; ++i) {
      const std::string text = word() + word();
      std::map<std::size_t, std::int32_t> expected;
      for (const auto& [key, id] : keys) {
        if (!key.empty() && text.starts_with(key)) {
          expected[key.size()] = id;
        }
      }
      ASSERT_EQ(Prefixes(tree, text), expected);
      ASSERT_EQ(tree.Longest(text).size, expected.empty() ? 0 : expected.rbegin()->first);
    }
  }
}

TEST(ByteTree, OfNothingFindsNothing) {
  EXPECT_TRUE(ByteTree().empty());
  EXPECT_TRUE(ByteTree({{"", 1}}).empty());
  EXPECT_TRUE(Prefixes(ByteTree(), "a").empty());
  EXPECT_EQ(Prefixes(ByteTree({{"a", 1}, {"a", 2}}), "a"),
            (std::map<std::size_t, std::int32_t>{{1, 1}}));
}

TEST(Charsmap, FindsItsShortestAndItsLongestEntry) {
  const std::map<std::string, std::string> entries = {{"a", "A"},       {"ab", "x y"}, {"é", "e"},
                                                      {"e\u0301", "é"}, {"½", "1/2"},  {"z", ""}};
  const Charsmap map = *Charsmap::Parse(CharsmapWriter::Write(entries));
  EXPECT_EQ(map.Shortest("abc").replacement, "A");
  EXPECT_EQ(map.Longest("abc").replacement, "x y");
  EXPECT_EQ(map.Longest("e\u0301e").size, 3u);
  EXPECT_EQ(map.Longest("½").replacement, "1/2");
  EXPECT_EQ(map.Longest("zz").size, 1u);
  EXPECT_EQ(map.Longest("zz").replacement, "");
  for (const std::string_view none : {"", "e", "b", "\u00EA", "日"}) {
    EXPECT_EQ(map.Longest(none).size, 0u) << none;
  }
  EXPECT_EQ(Charsmap().Longest("a").size, 0u);
}

// Whatever the indices in the file say, a walk ends within it.
TEST(Charsmap, IndicesThatLeadOutOfTheFileFindNothing) {
  const std::string good = CharsmapWriter::Write({{"ab", "x"}, {"é", "yz"}});
  EXPECT_FALSE(Charsmap::Parse(good.substr(0, 2)).ok());
  EXPECT_FALSE(Charsmap::Parse(good.substr(0, 100)).ok());
  EXPECT_FALSE(Charsmap::Parse(std::string("\x06\0\0\0abcdefgh", 12)).ok());
  EXPECT_FALSE(Charsmap::Parse(good + "no end").ok());
  EXPECT_FALSE(Charsmap::Parse(good + std::string("\xFF\0", 2)).ok());
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 2000; ++round) {
    std::string bad = good;
    for (int i = 0; i < 8; ++i) {
      bad[4 + random() % (bad.size() - 4)] = static_cast<char>(random());
    }
    const Result<Charsmap> map = Charsmap::Parse(bad);
    for (const std::string_view text : {"ab", "é", "aé"}) {
      if (map.ok()) {
        EXPECT_LE(map->Longest(text).size, text.size());
        EXPECT_LE(map->Shortest(text).replacement.size(), bad.size());
      }
    }
  }
}

TEST(Base64, ReadsWhatItWrites) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(*FromBase64(ToBase64(bytes)), bytes);
    bytes.push_back(static_cast<char>(i * 37));
  }
  EXPECT_EQ(ToBase64("Man"), "TWFu");
  EXPECT_EQ(ToBase64("M"), "TQ==");
  for (const std::string_view wrong : {"T", "TWF", "TW=u", "TWF\n", "=", "===="}) {
    EXPECT_FALSE(FromBase64(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace ashlar::internal
