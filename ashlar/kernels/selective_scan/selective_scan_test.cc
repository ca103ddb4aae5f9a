#include "ashlar/kernels/selective_scan/selective_scan.h"

#include <cmath>

#include "ashlar/kernels/kernel_test_support.h"

namespace ashlar {
namespace {

struct ScanOperands {
  ScanOperands(std::int64_t channels_in, std::int64_t n_in, std::int64_t offset, bool of_all_in,
               RandomFloats& random)
      : channels(channels_in),
        n(n_in),
        of_all(of_all_in),
        h(channels * n, offset),
        x(channels, (offset + 1) % 4),
        b(n, (offset + 2) % 4),
        c(n, (offset + 3) % 4),
        decay(of_all ? 1 : n, offset) {
    for (GuardedFloats* values : {&h, &x, &b, &c, &decay}) {
      random.Fill(*values);
    }
    for (std::int64_t i = 0; i < decay.size(); ++i) {
      decay[i] = -std::fabs(decay[i]) * static_cast<float>(i % 7 + 1);
    }
  }
  void Run(SelectiveScanFn fn, float step) {
    fn({.h = h.data(),
        .x = x.data(),
        .channels = channels,
        .n = n,
        .b = b.data(),
        .c = c.data(),
        .decay = decay.data(),
        .decay_of_all = of_all,
        .step = step,
        .skip = 0.7F});
  }

  std::int64_t channels, n;
  bool of_all;
  GuardedFloats h, x, b, c, decay;
};

class SelectiveScanParity : public FormTest<SelectiveScanForm> {};

TEST_P(SelectiveScanParity, AgreesWithTheReferenceForEveryTailAndMisalignment) {
  for (std::int64_t n = 1; n <= 70; ++n) {
    for (const std::int64_t offset : {0, 1, 3}) {
      for (const bool of_all : {false, true}) {
        RandomFloats random(n);
        ScanOperands before(6, n, offset, of_all, random);
        RandomFloats once_more(n);
        ScanOperands expected(6, n, offset, of_all, once_more);
        RandomFloats and_again(n);
        ScanOperands actual(6, n, offset, of_all, and_again);
        const float step = n % 9 == 0 ? 0 : 0.3F * static_cast<float>(n % 11);
        expected.Run(SelectiveScanForms().front().fn, step);
        actual.Run(GetParam().fn, step);
        for (std::int64_t channel = 0; channel < 6; ++channel) {
          double magnitude = std::fabs(0.7 * before.x[channel]);
          for (std::int64_t i = 0; i < n; ++i) {
            const std::int64_t at = channel * n + i;
            const double units =
                4 * std::fabs(before.h[at]) + 3 * std::fabs(step * before.x[channel] * before.b[i]);
            ASSERT_NEAR(actual.h[at], expected.h[at], units * kUnitRoundoff + 0x1p-120)
                << at << " of n " << n << ", step " << step;
            magnitude += std::fabs(before.c[i]) *
                         (std::fabs(expected.h[at]) + units);  // the state's own error, too
          }
          ASSERT_NEAR(actual.x[channel], expected.x[channel],
                      (static_cast<double>(n) / 8 + 12) * kUnitRoundoff * magnitude)
              << "n " << n << ", step " << step;
        }
        actual.h.ExpectIntact();
        actual.x.ExpectIntact();
      }
    }
  }
}

TEST_P(SelectiveScanParity, AStepOfZeroKeepsTheStateToTheBit) {
  RandomFloats random(1);
  ScanOperands operands(2, 37, 1, false, random);
  RandomFloats once_more(1);
  const ScanOperands before(2, 37, 1, false, once_more);
  operands.Run(GetParam().fn, 0);
  for (std::int64_t i = 0; i < operands.h.size(); ++i) {
    EXPECT_EQ(operands.h[i], before.h[i]) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, SelectiveScanParity, testing::ValuesIn(SelectiveScanForms()),
                         FormName());

TEST(SelectiveScanReference, IsTheFormulaOnNumbersWorkedByHand) {
  float h[] = {4, 8};
  float x[] = {3};
  const float b[] = {1, 2};
  const float c[] = {10, 100};
  const float decay[] = {0, -std::log(2.0F)};
  SelectiveScanForms().front().fn({h, x, 1, 2, b, c, decay, false, 2, 1000});
  EXPECT_FLOAT_EQ(h[0], 4 + 6);
  EXPECT_FLOAT_EQ(h[1], 8 / 4 + 12);
  EXPECT_FLOAT_EQ(x[0], 10 * 10 + 100 * 14 + 3000);
}

}  // namespace
}  // namespace ashlar
