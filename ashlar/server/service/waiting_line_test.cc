#include "ashlar/server/service/waiting_line.h"

#include <gtest/gtest.h>

namespace ashlar::internal {
namespace {

constexpr std::int64_t kSecond = 1'000'000;

TEST(WaitingLine, OneWhoIsAloneMayHaveEveryPlaceAndNoMore) {
  WaitingLine line(8);
  for (int i = 0; i < 8; ++i) {
    EXPECT_FALSE(line.Join("a", 1, 0));
  }
  const auto refusal = line.Join("a", 1, 0);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(*refusal, "8 answers of a wait to be begun, and 8 may, of 8 for all who wait");
  EXPECT_EQ(line.size(), 8);
}

TEST(WaitingLine, NobodyFillsItForOthers) {
  WaitingLine line(8);
  EXPECT_FALSE(line.Join("a", 128, 0)) << "a first request is let in, however many answers it has";
  EXPECT_FALSE(line.Join("b", 1, 0));
  for (int i = 1; i < 4; ++i) {
    EXPECT_FALSE(line.Join("b", 1, 0)) << i;
  }
  EXPECT_TRUE(line.Join("b", 1, 0)) << "half of the places are its part";
  EXPECT_TRUE(line.Join("a", 1, 0));
  EXPECT_FALSE(line.Join("c", 1, 0));
  EXPECT_FALSE(line.Join("c", 1, 0));
  EXPECT_TRUE(line.Join("c", 1, 0)) << "a third of them";
}

TEST(WaitingLine, TheRestOfARequestIsNeverRefused) {
  WaitingLine line(2);
  EXPECT_FALSE(line.Join("a", 2, 0));
  line.JoinMore("a", 3, 0);
  EXPECT_EQ(line.size(), 5);
  EXPECT_TRUE(line.Join("a", 1, 0));
  line.JoinMore("b", 1, 0);
  line.Leave("a", 4);
  EXPECT_TRUE(line.Join("a", 1, 0)) << "one of two places is its part";
  line.Leave("b", 1);
  EXPECT_FALSE(line.Join("a", 1, 0));
}

TEST(WaitingLine, PlacesComeBackWhenAnswersAreBegunOrLeave) {
  WaitingLine line(2);
  EXPECT_FALSE(line.Join("a", 2, 0));
  EXPECT_TRUE(line.Join("a", 1, 0));
  line.Begin("a", 1);
  EXPECT_FALSE(line.Join("a", 1, 2));
  EXPECT_FALSE(line.Join("b", 2, 2));
  line.Leave("b", 2);
  line.Leave("a", 2);
  EXPECT_EQ(line.size(), 0);
  EXPECT_FALSE(line.Join("a", 2, 3));
}

TEST(WaitingLine, WhenToComeAgainFollowsThePaceAndWhatIsAhead) {
  WaitingLine line(8);
  EXPECT_FALSE(line.Join("a", 100, 0));
  std::int64_t now = 0;
  for (int i = 0; i < 50; ++i) {
    line.Begin("a", now += kSecond / 5);
  }
  EXPECT_EQ(line.RetrySeconds("a", now), 9) << "43 of its 50 have to be begun, five in a second";
  EXPECT_FALSE(line.Join("b", 2, now));
  EXPECT_EQ(line.RetrySeconds("a", now), 19) << "47 now, of which every second one is another's";
  EXPECT_EQ(line.RetrySeconds("b", now), 1);
  EXPECT_EQ(line.RetrySeconds("c", now), 1) << "it has a place";
  EXPECT_EQ(line.RetrySeconds("a", now + 10 * kSecond), 60) << "nothing moves";
  line.Leave("b", 2);
  line.Leave("a", 42);
  EXPECT_EQ(line.RetrySeconds("a", now), 1);
}

TEST(WaitingLine, TimeWithoutAnybodyInItDoesNotCount) {
  WaitingLine line(1);
  EXPECT_FALSE(line.Join("a", 1, 0));
  line.Begin("a", kSecond / 100);
  EXPECT_FALSE(line.Join("a", 1, 1000 * kSecond));
  EXPECT_EQ(line.RetrySeconds("a", 1000 * kSecond), 1);
}

}  // namespace
}  // namespace ashlar::internal
