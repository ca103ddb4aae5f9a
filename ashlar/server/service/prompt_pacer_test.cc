#include "ashlar/server/service/prompt_pacer.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace ashlar::internal {
namespace {

// A machine that takes `fixed` seconds for a step and `each` for a row.
struct Machine {
  double fixed;
  double each;
  double Seconds(std::int64_t rows) const { return fixed + each * static_cast<double>(rows); }
};

// Runs steps of `decoding` rows, each with as many rows of prompts as the pacer allows; the longest
// of them over one without prompts.
double LongestStretch(PromptPacer& pacer, const Machine& machine, std::int64_t decoding,
                      int steps) {
  double longest = 0;
  for (int step = 0; step < steps; ++step) {
    const double seconds = machine.Seconds(decoding + pacer.rows());
    longest = std::max(longest, seconds / machine.Seconds(decoding));
    pacer.Observe(decoding, pacer.rows(), seconds);
  }
  return longest;
}

constexpr Machine kMachine{.fixed = 0.040, .each = 0.002};

TEST(PromptPacer, FindsTheRowsThatStretchAStepAsFarAsItMayAndNeverGoesBeyond) {
  PromptPacer pacer(3, 8, 512);
  EXPECT_LT(LongestStretch(pacer, kMachine, 4, 50), 3.15);
  EXPECT_GT(LongestStretch(pacer, kMachine, 4, 10), 2.9);
}

TEST(PromptPacer, FollowsWhenMoreDecodeThoughPromptsAreAlwaysThere) {
  PromptPacer pacer(3, 8, 512);
  LongestStretch(pacer, kMachine, 1, 50);
  LongestStretch(pacer, kMachine, 16, 80);
  EXPECT_NEAR(LongestStretch(pacer, kMachine, 16, 20), 3, 0.2);
}

TEST(PromptPacer, AnotherNetworkBeginsWithFewRows) {
  PromptPacer pacer(3, 8, 512);
  LongestStretch(pacer, {.fixed = 0.001, .each = 0.0001}, 4, 100);
  pacer.Restart();
  EXPECT_LT(LongestStretch(pacer, {.fixed = 0.100, .each = 0.005}, 4, 100), 3.3);
}

TEST(PromptPacer, StaysWithinItsLimits) {
  PromptPacer slow(3, 8, 512);
  LongestStretch(slow, {.fixed = 0.001, .each = 1}, 1, 20);
  EXPECT_EQ(std::max<std::int64_t>(slow.rows(), 8), 8);
  PromptPacer fast(3, 8, 512);
  LongestStretch(fast, {.fixed = 1, .each = 0}, 1, 30);
  EXPECT_EQ(fast.rows(), 512);
}

TEST(PromptPacer, AStepThatNobodyDecodedInSaysNothing) {
  PromptPacer pacer(3, 8, 512);
  LongestStretch(pacer, kMachine, 4, 52);
  const std::int64_t before = pacer.rows();
  for (int i = 0; i < 20; ++i) {
    pacer.Observe(0, 0, 0.0001);
    pacer.Observe(0, 512, 1);
  }
  EXPECT_EQ(pacer.rows(), before);
}

}  // namespace
}  // namespace ashlar::internal
