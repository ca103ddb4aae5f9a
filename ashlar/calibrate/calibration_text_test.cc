#include "ashlar/calibrate/calibration_text.h"

#include <algorithm>
#include <array>
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

TEST(SplitText, TakesEndsOfSequencesFromAllOverAndLosesNothing) {
  // Tokens, of sequences of, rows that judge.
  for (const auto& [count, length, rows] : {std::array<std::int64_t, 3>{65536, 512, 1024},
                                            {8192, 512, 256},
                                            {8192, 512, 1000},
                                            {128, 512, 16},
                                            {513, 512, 64},
                                            {600, 512, 75},
                                            {4000, 32, 500},
                                            {300, 64, 37},
                                            {130, 2, 16}}) {
    SCOPED_TRACE(testing::Message() << count << ' ' << length << ' ' << rows);
    const CalibrationText text =
        CutIntoSequences(Counting(static_cast<std::int32_t>(count)), length);
    const auto [fitting, judging] = SplitText(text, rows);
    EXPECT_EQ(std::ssize(judging.tokens), rows);
    std::vector<std::int32_t> all = fitting.tokens;
    all.insert(all.end(), judging.tokens.begin(), judging.tokens.end());
    std::ranges::sort(all);
    EXPECT_EQ(all, text.tokens);
    for (const CalibrationText& part : {fitting, judging}) {
      auto at = part.tokens.begin();
      for (const std::int64_t of_sequence : part.lengths) {
        ASSERT_GT(of_sequence, 0);
        EXPECT_EQ(at[of_sequence - 1] - at[0], of_sequence - 1) << "one piece of the text";
        EXPECT_EQ(at[0] / length, at[of_sequence - 1] / length) << "and of a sequence";
        at += of_sequence;
      }
      EXPECT_EQ(at, part.tokens.end());
    }
    for (const std::int64_t taken : judging.lengths) {
      EXPECT_LE(taken, std::max<std::int64_t>(length / 2, 1));
    }
    if (std::ssize(judging.lengths) > 1) {
      EXPECT_LT(judging.tokens.front(), count / 2);
      EXPECT_GT(judging.tokens.back(), count / 2);
    }
  }
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
