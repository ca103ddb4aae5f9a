#include "ashlar/server/service/prompt_pacer.h"

#include <algorithm>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

namespace ashlar::internal {
namespace {

constexpr double kRow = 50e6;          // operations of a row at position 0
constexpr double kPerPosition = 64e3;  // and more of them, by position
constexpr std::int64_t kLeastRows = 4;

// What a machine takes: for a step, for a row, and for a position that a row attends to.
struct Machine {
  double fixed = 0.004;
  double row = 0.0004;
  double position = 0.0004 * kPerPosition / kRow;
  double Rows(std::int64_t begin, std::int64_t rows) const {
    const auto count = static_cast<double>(rows);
    const double middle = static_cast<double>(begin) + (count - 1) / 2;
    return count * (row + position * middle);
  }
};

// Sequences that decode, and prompts that are read beside them as the pacer says.
class Stepper {
 public:
  Stepper(PromptPacer& pacer, Machine machine) : pacer_(pacer), machine_(machine) {}

  std::int64_t decoding = 4;
  double network = 1;             // size of the one that the prompt is for
  double disturbance = 0;         // of decoding while a prompt is read, in parts of it
  std::function<double()> delay;  // how many times longer a step takes than it should
  std::int64_t steps = 0;
  std::int64_t only_decoding = 0;
  std::vector<std::int64_t> chunks;

  double Decoding() const { return machine_.fixed + machine_.Rows(0, decoding); }

  // Reads positions [begin, end) of a prompt. The longest step, undelayed, in steps that only
  // decode; those that could not be shorter do not count.
  double Read(std::int64_t begin, std::int64_t end) {
    double longest = 0;
    for (std::int64_t position = begin; position < end;) {
      const PromptPacer::Allowance allowed = pacer_.allowed();
      const std::int64_t most = std::min(allowed.rows, end - position);
      std::int64_t rows = std::min(most, kLeastRows);
      while (rows < most && Work(position, rows + 1) <= allowed.work) {
        ++rows;
      }
      only_decoding += rows == 0 ? 1 : 0;
      const double disturbed = position > begin ? disturbance * Decoding() : 0;
      const double seconds = Decoding() + disturbed + network * machine_.Rows(position, rows);
      if (rows > kLeastRows) {
        longest = std::max(longest, seconds / Decoding());
      }
      pacer_.Observe({.decoding_rows = decoding,
                      .prompt_rows = rows,
                      .decoding = static_cast<double>(decoding) * kRow,
                      .prompt = rows == 0 ? 0 : Work(position, rows)},
                     seconds * (delay ? delay() : 1));
      position += rows;
      chunks.push_back(rows);
      ++steps;
    }
    return longest;
  }

 private:
  double Work(std::int64_t position, std::int64_t rows) const {
    const auto count = static_cast<double>(rows);
    return network * count *
           (kRow + kPerPosition * (static_cast<double>(position) + (count - 1) / 2));
  }

  PromptPacer& pacer_;
  const Machine machine_;
};

TEST(PromptPacer, FindsTheWorkThatStretchesAStepAsFarAsItMayAndNeverGoesBeyond) {
  PromptPacer pacer(3);
  Stepper stepper(pacer, {});
  EXPECT_LT(stepper.Read(0, 4000), 3.05);
  EXPECT_GT(stepper.Read(0, 400), 2.8);
}

TEST(PromptPacer, BeginsWithNoMoreThanDecodes) {
  PromptPacer pacer(2);
  Stepper stepper(pacer, {});
  stepper.Read(0, 100);
  EXPECT_EQ(stepper.chunks[0], 0) << "first it is measured what a step takes without";
  EXPECT_EQ(stepper.chunks[1], 0) << "twice, since one may have been held up";
  EXPECT_EQ(stepper.chunks[2], 4);
  EXPECT_EQ(stepper.chunks[3], 5);
}

TEST(PromptPacer, RowsThatAttendToMuchAreFewerInAStep) {
  PromptPacer pacer(2);
  Stepper stepper(pacer, {.fixed = 0.03});
  EXPECT_LT(stepper.Read(0, 4000), 2.05);
  EXPECT_GT(*std::ranges::max_element(stepper.chunks), 3 * stepper.chunks.back());
  EXPECT_GT(stepper.Read(4000, 4096), 1.9) << "as many as may be";
}

TEST(PromptPacer, APromptThatGoesOnFarBehindACachedPrefixIsNoLongerStep) {
  PromptPacer pacer(2);
  Stepper stepper(pacer, {.fixed = 0.008});
  stepper.Read(0, 500);
  EXPECT_LT(stepper.Read(3000, 3100), 2.05);
}

TEST(PromptPacer, APromptOfALargerNetworkIsNoLongerStep) {
  PromptPacer pacer(2);
  Stepper stepper(pacer, {.fixed = 0.1});
  stepper.Read(0, 8000);
  stepper.network = 8;
  EXPECT_LT(stepper.Read(0, 1000), 2.05);
}

TEST(PromptPacer, WhereOperationsDoNotTellRowsGrowByAQuarterOnly) {
  PromptPacer pacer(2);
  Stepper stepper(pacer, {.fixed = 0.008, .position = 0});  // as where attention has a window
  stepper.Read(0, 8000);
  EXPECT_LT(stepper.Read(0, 1000), 2.7);
}

TEST(PromptPacer, WhenFewerDecodeTheirShorterStepsAreTheMeasureAtOnce) {
  PromptPacer pacer(2);
  Stepper stepper(pacer, {});
  stepper.decoding = 16;
  stepper.Read(0, 4000);
  stepper.decoding = 1;
  stepper.chunks.clear();
  stepper.Read(0, 100);
  EXPECT_LE(std::ranges::find(stepper.chunks, 0) - stepper.chunks.begin(), 1);
  EXPECT_LT(stepper.Read(0, 1000), 2.05);
}

TEST(PromptPacer, StepsThatOthersHoldUpNeitherExcuseLongOnesNorKeepAPromptFromBeingRead) {
  PromptPacer calm(2);
  Stepper undisturbed(calm, {.fixed = 0.008});
  undisturbed.Read(0, 4000);
  PromptPacer pacer(2);
  Stepper stepper(pacer, {.fixed = 0.008});
  std::uint32_t state = 1;
  stepper.delay = [&] {  // one step in eight
    state = state * 1664525 + 1013904223;
    return state >> 29 == 0 ? 10.0 : 1.0;
  };
  EXPECT_LT(stepper.Read(0, 4000), 2.3);
  EXPECT_LT(stepper.steps, 1.1 * static_cast<double>(undisturbed.steps));
}

TEST(PromptPacer, AStepThatWasHeldUpWhileItWasMeasuredIsFoundOut) {
  PromptPacer pacer(2);
  Stepper stepper(pacer, {.fixed = 0.008});
  int measures = 0;
  stepper.delay = [&] { return ++measures <= 2 ? 10.0 : 1.0; };
  EXPECT_LT(stepper.Read(0, 1000), 2.5);
  EXPECT_GT(stepper.chunks[9], 2 * kLeastRows) << "and as soon as a step takes less";
}

// As where a prompt takes the weights' place in caches.
TEST(PromptPacer, StepsThatOnlyDecodeAndTakeLongerWhileAPromptIsReadExcuseNoLongerOnes) {
  PromptPacer pacer(2);
  Stepper stepper(pacer, {.fixed = 0.008});
  stepper.disturbance = 0.4;
  EXPECT_LT(stepper.Read(0, 1000), 2.1);
  EXPECT_GT(stepper.steps, 5 * 17) << "so it was measured again and again";
}

TEST(PromptPacer, ButWhereAllStepsTakeLongerForGoodThoseAreTheMeasure) {
  PromptPacer pacer(2);
  Stepper stepper(pacer, {.fixed = 0.008});
  stepper.Read(0, 1000);
  const std::int64_t rows = stepper.chunks.back();
  stepper.delay = [] { return 3.0; };
  for (int i = 0; i < 2; ++i) {
    stepper.Read(0, 1000);
  }
  EXPECT_GT(stepper.chunks.back(), rows / 2);
}

TEST(PromptPacer, TheRestOfAPromptDoesNotMakeTheNextOneBeginWithFewRows) {
  PromptPacer pacer(2);
  Stepper stepper(pacer, {});
  stepper.Read(0, 500);
  stepper.chunks.clear();
  stepper.Read(0, 1);
  stepper.Read(0, 40);
  EXPECT_GT(stepper.chunks[1], 2 * kLeastRows);
}

TEST(PromptPacer, WhenMoreDecodeTheirLongerStepsAreTheMeasure) {
  PromptPacer pacer(2);
  Stepper stepper(pacer, {});
  stepper.decoding = 1;
  stepper.Read(0, 1000);
  stepper.decoding = 16;
  stepper.Read(0, 200);
  EXPECT_GT(stepper.Read(0, 100), 1.9);
}

TEST(PromptPacer, OneStepInSixteenOnlyDecodes) {
  PromptPacer pacer(2);
  Stepper stepper(pacer, {});
  stepper.Read(0, 4000);
  EXPECT_NEAR(static_cast<double>(stepper.steps) / static_cast<double>(stepper.only_decoding), 17,
              1.5);
}

TEST(PromptPacer, AStepThatNobodyDecodedInSaysNothing) {
  PromptPacer pacer(2);
  Stepper stepper(pacer, {});
  stepper.Read(0, 1000);
  const PromptPacer::Allowance before = pacer.allowed();
  for (int i = 0; i < 20; ++i) {
    pacer.Observe({}, 0.0001);
    pacer.Observe({.prompt_rows = 512, .prompt = 512 * kRow}, 1);
  }
  EXPECT_EQ(pacer.allowed().work, before.work);
  EXPECT_EQ(pacer.allowed().rows, before.rows);
}

TEST(PromptPacer, AnotherNetworkIsMeasuredAnew) {
  PromptPacer pacer(2);
  Stepper stepper(pacer, {.fixed = 0.1});
  stepper.Read(0, 1000);
  ASSERT_GT(pacer.allowed().rows, 4);
  pacer.Restart();
  EXPECT_EQ(pacer.allowed().rows, 4);  // what decoding takes is known
}

TEST(PromptPacer, MeasuresDecodingAnewWhereItsPrecisionChanged) {
  PromptPacer pacer(3);
  Stepper stepper(pacer, {.fixed = 0.1});
  stepper.Read(0, 1000);
  ASSERT_GT(pacer.allowed().rows, 4);
  pacer.Forget();
  EXPECT_EQ(pacer.allowed().rows, 0);
}

}  // namespace
}  // namespace ashlar::internal
