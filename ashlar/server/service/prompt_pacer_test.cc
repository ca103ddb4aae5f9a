#include "ashlar/server/service/prompt_pacer.h"

#include <gtest/gtest.h>

namespace ashlar::internal {
namespace {

TEST(PromptPacer, BeginsWithTheLeastWhileItKnowsNothing) {
  const PromptPacer pacer(3, 8, 512);
  EXPECT_EQ(pacer.rows(), 8);
}

TEST(PromptPacer, FindsTheRowsThatStretchAStepAsFarAsItMay) {
  PromptPacer pacer(3, 8, 512);
  for (int step = 0; step < 100; ++step) {
    pacer.Observe(4, 0, 0.050);
    pacer.Observe(4, pacer.rows(), 0.050 + 0.002 * static_cast<double>(pacer.rows()));
  }
  EXPECT_NEAR(static_cast<double>(pacer.rows()), 0.100 / 0.002, 1);
}

TEST(PromptPacer, StaysWithinItsLimits) {
  PromptPacer slow(3, 8, 512);
  slow.Observe(1, 0, 0.001);
  slow.Observe(0, 100, 100);
  EXPECT_EQ(slow.rows(), 8);
  PromptPacer fast(3, 8, 512);
  fast.Observe(1, 0, 1);
  fast.Observe(1, 100, 1.0001);
  EXPECT_EQ(fast.rows(), 512);
}

TEST(PromptPacer, OneSlowStepChangesLittle) {
  PromptPacer pacer(3, 8, 512);
  for (int step = 0; step < 100; ++step) {
    pacer.Observe(4, 0, 0.050);
    pacer.Observe(4, 32, 0.050 + 0.064);
  }
  const std::int64_t before = pacer.rows();
  pacer.Observe(4, 0, 0.100);
  EXPECT_NEAR(static_cast<double>(pacer.rows()), static_cast<double>(before), 6);
}

}  // namespace
}  // namespace ashlar::internal
