#include "ashlar/calibrate/calibration_text.h"

#include <algorithm>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/runtime/testing_networks.h"

namespace ashlar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::int32_t> Counting(std::int32_t count) {
  std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

TEST(OwnText, IsTheSameForASeedWhateverTheThreadsAndAnotherForAnother) {
  const auto store = NewMemoryStore();
  Network network = testing_networks::RandomLlama(*store, {.layers = 1});
  network.metadata.bos_token = 7;
  const auto write = [&](std::uint64_t seed, int threads) {
    return *WriteOwnText(*store, network,
                         {.tokens = 300, .length = 64, .seed = seed, .threads = threads});
  };
  const CalibrationText text = write(1, 1);
  EXPECT_THAT(text.lengths, ElementsAre(64, 64, 64, 64, 44));
  ASSERT_EQ(text.tokens.size(), 300u);
  for (const std::size_t first : {0, 64, 128, 192, 256}) {
    EXPECT_EQ(text.tokens[first], 7) << "a sequence begins with the beginning-of-text token";
  }
  EXPECT_TRUE(std::ranges::all_of(text.tokens, [](int id) { return id >= 0 && id < 96; }));
  EXPECT_EQ(write(1, 3).tokens, text.tokens);
  EXPECT_NE(write(2, 1).tokens, text.tokens);
}

TEST(OwnText, BeginsWithTheEndOfTextOrARandomTokenWithoutABeginning) {
  const auto store = NewMemoryStore();
  Network network = testing_networks::RandomLlama(*store, {.layers = 1});
  const auto first_tokens = [&] {
    const CalibrationText text = *WriteOwnText(*store, network, {.tokens = 160, .length = 16});
    std::vector<std::int32_t> first;
    for (std::size_t i = 0; i < text.tokens.size(); i += 16) {
      first.push_back(text.tokens[i]);
    }
    return first;
  };
  network.metadata.eos_tokens = {5, 6};
  EXPECT_THAT(first_tokens(), ::testing::Each(5));
  network.metadata.eos_tokens = {};
  std::vector<std::int32_t> random = first_tokens();
  std::ranges::sort(random);
  EXPECT_GT(std::unique(random.begin(), random.end()) - random.begin(), 5);
}

TEST(TakeEvenly, TakesAllOfAShortTextAndPartsFromAllOverALongOne) {
  EXPECT_EQ(TakeEvenly(Counting(300), 1000, 128)->tokens, Counting(300));
  EXPECT_THAT(TakeEvenly(Counting(300), 1000, 128)->lengths, ElementsAre(128, 128, 44));
  const CalibrationText text = *TakeEvenly(Counting(10'000), 400, 100);
  EXPECT_THAT(text.lengths, ElementsAre(100, 100, 100, 100));
  EXPECT_EQ(text.tokens[0], 0);
  EXPECT_EQ(text.tokens[100], 3300);
  EXPECT_EQ(text.tokens[399], 9999);
}

TEST(TakeEvenly, RefusesATextThatIsTooShort) {
  const auto taken = TakeEvenly(Counting(127), 1000, 128);
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().message, "the text has 127 tokens; calibration needs 128 at least");
}

}  // namespace
}  // namespace ashlar
