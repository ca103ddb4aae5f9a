#include "ashlar/text/models/symbol_cuts.h"

#include <algorithm>
#include <limits>
#include <random>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/test_time.h"

namespace ashlar::internal {
namespace {

using Cut = std::pair<std::int32_t, std::int32_t>;

std::vector<Cut> CutsOf(const SymbolCuts& cuts, std::int32_t symbol) {
  std::vector<Cut> found;
  cuts.ForEach(symbol,
               [&](std::int32_t left, std::int32_t right) { found.emplace_back(left, right); });
  return found;
}

TEST(SymbolCuts, AreIntoSymbolsFromTheLastCutToTheFirst) {
  const std::vector<std::string_view> texts = {"aaa", "a", "aa", "", "ba", "aaab", "b", "▁"};
  const SymbolCuts cuts(texts);
  EXPECT_THAT(CutsOf(cuts, 0), testing::ElementsAre(Cut(2, 1), Cut(1, 2)));
  EXPECT_THAT(CutsOf(cuts, 4), testing::ElementsAre(Cut(6, 1)));
  EXPECT_THAT(CutsOf(cuts, 5), testing::ElementsAre(Cut(0, 6)));
  EXPECT_THAT(CutsOf(cuts, 3), testing::IsEmpty()) << "no symbol";
  EXPECT_THAT(CutsOf(cuts, 7), testing::IsEmpty()) << "bytes of a character are none";
}

TEST(SymbolCuts, OfRandomTextsAreAllThatThereAre) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> drawn;
    for (int i = 0; i < 40; ++i) {
      std::string text(1 + random() % 7, 'a');
      std::ranges::generate(text, [&] { return "ab\xC3\xA9"[random() % (2 + round % 3)]; });
      if (std::ranges::find(drawn, text) == drawn.end()) {
        drawn.push_back(text);
      }
    }
    const SymbolCuts cuts(std::vector<std::string_view>(drawn.begin(), drawn.end()));
    for (std::size_t symbol = 0; symbol < drawn.size(); ++symbol) {
      std::vector<Cut> expected;
      for (std::size_t left = 0; left < drawn.size(); ++left) {
        for (std::size_t right = 0; right < drawn.size(); ++right) {
          if (drawn[left] + drawn[right] == drawn[symbol]) {
            expected.emplace_back(left, right);
          }
        }
      }
      EXPECT_THAT(CutsOf(cuts, static_cast<std::int32_t>(symbol)),
                  testing::UnorderedElementsAreArray(expected))
          << drawn[symbol];
    }
  }
}

// The least of three: the seconds that all cuts of 10,000 texts take that begin and end with
// `shared` others each.
double SecondsOfCuts(std::size_t shared) {
  std::vector<std::string> drawn;
  for (std::size_t size = 1; size <= shared; ++size) {
    drawn.emplace_back(size, 'a');
  }
  for (int i = 0; i < 10'000; ++i) {
    drawn.push_back(std::string(shared, 'a') + fmt::format("{}", i) + std::string(shared, 'a'));
  }
  std::ranges::shuffle(drawn, std::mt19937(1));
  const std::vector<std::string_view> texts(drawn.begin(), drawn.end());
  double least = std::numeric_limits<double>::infinity();
  for (int round = 0; round < 3; ++round) {
    const double begin = CpuSeconds();
    const SymbolCuts cuts(texts);
    std::size_t found = 0;
    for (std::size_t symbol = 0; symbol < texts.size(); ++symbol) {
      cuts.ForEach(static_cast<std::int32_t>(symbol), [&](std::int32_t, std::int32_t) { ++found; });
    }
    least = std::min(least, CpuSeconds() - begin);
    EXPECT_EQ(found, (shared - 1) * shared / 2) << "of those of one letter";
  }
  return least;
}

// Looked for on either side of each cut, they take 256 times as long.
TEST(SymbolCuts, TakeTimeInProportionToTheirTexts) {
  const double few = SecondsOfCuts(40);
  EXPECT_LT(SecondsOfCuts(640), 30 * few) << few;
}

}  // namespace
}  // namespace ashlar::internal
