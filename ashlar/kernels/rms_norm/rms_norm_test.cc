#include "ashlar/kernels/rms_norm/rms_norm.h"

#include <cmath>

#include "ashlar/kernels/kernel_test_support.h"

namespace ashlar {
namespace {

class RmsNormParity : public FormTest<RmsNormForm> {
 protected:
  // At `offset` floats past a 64-byte boundary, both into another buffer and in place.
  void ExpectAgrees(std::int64_t n, std::int64_t offset, float eps, RandomFloats& random) const {
    GuardedFloats x(n, offset);
    GuardedFloats w(n, (offset + 1) % 4);
    GuardedFloats expected(n);
    GuardedFloats actual(n, (offset + 2) % 4);
    random.Fill(x, 0.5F);
    random.Fill(w);
    RmsNormForms().front().fn(x.data(), w.data(), expected.data(), n, eps);
    GetParam().fn(x.data(), w.data(), actual.data(), n, eps);
    GetParam().fn(x.data(), w.data(), x.data(), n, eps);
    const double units = static_cast<double>(n) / 64 + 12;
    for (std::int64_t k = 0; k < n; ++k) {
      ASSERT_NEAR(actual[k], expected[k], units * kUnitRoundoff * std::fabs(expected[k]))
          << k << " of " << n << ", offset " << offset << ", eps " << eps;
      ASSERT_EQ(x[k], actual[k]) << "in place, " << k << " of " << n;
    }
    actual.ExpectIntact();
    x.ExpectIntact();
  }
};

TEST_P(RmsNormParity, AgreesWithTheReferenceForEveryTailAndMisalignment) {
  RandomFloats random(1);
  for (std::int64_t n = 1; n <= 200; ++n) {
    for (const std::int64_t offset : {0, 1, 3}) {
      ExpectAgrees(n, offset, 1e-5F, random);
    }
  }
  for (const std::int64_t n : {1024, 2048, 4095, 8192}) {
    ExpectAgrees(n, 0, 1e-6F, random);
  }
}

TEST_P(RmsNormParity, AddsEpsilonToTheMeanOfTheSquares) {
  RandomFloats random(2);
  for (const float eps : {0.0F, 1e-3F, 0.5F, 100.0F}) {
    ExpectAgrees(37, 0, eps, random);
  }
  const float zero[3] = {};
  const float w[3] = {1, 1, 1};
  float y[3] = {7, 7, 7};
  GetParam().fn(zero, w, y, 3, 1e-5F);
  EXPECT_EQ(y[0], 0);
  EXPECT_EQ(y[2], 0);
}

INSTANTIATE_TEST_SUITE_P(Forms, RmsNormParity, testing::ValuesIn(RmsNormForms()), FormName());

TEST(RmsNormReference, IsTheFormulaOnNumbersWorkedByHand) {
  const float x[] = {1, 7, -5, 5};  // mean of squares 25
  const float w[] = {1, 2, 3, 0};
  float y[4];
  RmsNormForms().front().fn(x, w, y, 4, 0);
  EXPECT_FLOAT_EQ(y[0], 0.2F);
  EXPECT_FLOAT_EQ(y[1], 2.8F);
  EXPECT_FLOAT_EQ(y[2], -3.0F);
  EXPECT_FLOAT_EQ(y[3], 0.0F);
  RmsNormForms().front().fn(x, w, y, 4, 75);
  EXPECT_FLOAT_EQ(y[0], 0.1F);
}

}  // namespace
}  // namespace ashlar
