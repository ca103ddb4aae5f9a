#include "ashlar/runtime/stop_strings.h"

#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"

namespace ashlar {
namespace {

TEST(StopStrings, HoldsBackWhatMayBecomeAStopString) {
  StopStrings stop({"END"});
  EXPECT_EQ(stop.Push("the E"), "the ");
  EXPECT_EQ(stop.Push("N"), "");
  EXPECT_EQ(stop.Push("V"), "ENV");
  EXPECT_EQ(stop.Push("y E"), "y ");
  EXPECT_EQ(stop.Finish(), "E");
  EXPECT_FALSE(stop.stopped());
}

TEST(StopStrings, StopsAtTheFirstThatIsCompleteEvenAcrossPieces) {
  StopStrings stop({"bc", "abcd"});
  EXPECT_EQ(stop.Push("xa"), "x");
  EXPECT_EQ(stop.Push("bcd"), "a");
  EXPECT_TRUE(stop.stopped());
  EXPECT_EQ(stop.Push("more"), "");
  EXPECT_EQ(stop.Finish(), "");
}

TEST(StopStrings, OfTwoThatEndTogetherTheLongerIsTakenAway) {
  StopStrings stop({"c", "abc"});
  EXPECT_EQ(stop.Push("xabc"), "x");
  EXPECT_TRUE(stop.stopped());
}

TEST(StopStrings, EmptyStringsStopNothing) {
  StopStrings stop({""});
  EXPECT_EQ(stop.Push("text"), "text");
  EXPECT_FALSE(stop.stopped());
}

TEST(StopStrings, ShowsTheSameTextHoweverItIsCut) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 2000; ++round) {
    const auto word = [&](std::size_t most) {
      std::string text(1 + random() % most, 'a');
      for (char& c : text) {
        c = static_cast<char>('a' + random() % 2);
      }
      return text;
    };
    const std::vector<std::string> strings = {word(4) + "b", word(4) + "a"};
    const std::string text = word(20);
    StopStrings whole(strings);
    std::string expected = whole.Push(text);
    expected += whole.Finish();
    ASSERT_EQ(whole.stopped(), text.find(strings[0]) != std::string::npos ||
                                   text.find(strings[1]) != std::string::npos);

    StopStrings stop(strings);
    std::string shown;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t length = 1 + random() % 3;
      shown += stop.Push(std::string_view(text).substr(at, length));
      at += length;
    }
    shown += stop.Finish();
    ASSERT_EQ(shown, expected) << text << " until " << strings[0] << " or " << strings[1];
    ASSERT_EQ(stop.stopped(), whole.stopped());
  }
}

}  // namespace
}  // namespace ashlar
