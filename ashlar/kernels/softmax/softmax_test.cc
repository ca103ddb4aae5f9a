#include "ashlar/kernels/softmax/softmax.h"

#include <algorithm>
#include <cmath>

#include "ashlar/kernels/kernel_test_support.h"

namespace ashlar {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class SoftmaxParity : public FormTest<SoftmaxForm> {
 protected:
  // Both into another buffer and in place.
  void ExpectAgrees(GuardedFloats& x) const {
    const std::int64_t n = x.size();
    GuardedFloats expected(n);
    GuardedFloats actual(n, 2);
    SoftmaxForms().front().fn(x.data(), expected.data(), n);
    GetParam().fn(x.data(), actual.data(), n);
    const float max = *std::max_element(x.data(), x.data() + n);
    const auto size = static_cast<double>(n);
    for (std::int64_t k = 0; k < n; ++k) {
      const double below = std::isinf(x[k]) ? 0 : max - x[k];
      const double units = below + std::log(size) + size / 32 + 12;
      ASSERT_NEAR(actual[k], expected[k], units * kUnitRoundoff * expected[k] + 0x1p-126)
          << k << " of " << n;
    }
    GetParam().fn(x.data(), x.data(), n);
    for (std::int64_t k = 0; k < n; ++k) {
      ASSERT_EQ(x[k], actual[k]) << "in place, " << k << " of " << n;
    }
    actual.ExpectIntact();
    x.ExpectIntact();
  }
};

TEST_P(SoftmaxParity, AgreesWithTheReferenceForEveryTailAndMisalignment) {
  RandomFloats random(1);
  for (std::int64_t n = 1; n <= 200; ++n) {
    for (const std::int64_t offset : {0, 1, 3}) {
      GuardedFloats x(n, offset);
      random.Fill(x, -2, 3);
      ExpectAgrees(x);
    }
  }
}

TEST_P(SoftmaxParity, AgreesWithTheReferenceOnTheLogitsOfALargeVocabulary) {
  RandomFloats random(2);
  GuardedFloats x(151936, 1);
  random.Fill(x, 4, 5);
  ExpectAgrees(x);
}

TEST_P(SoftmaxParity, FindsTheMaximumWhereverItIs) {
  for (std::int64_t n = 1; n <= 70; ++n) {
    for (std::int64_t at = 0; at < n; ++at) {
      GuardedFloats x(n, at % 4);
      std::fill_n(x.data(), n, -1000.0F);
      x[at] = 900;
      GetParam().fn(x.data(), x.data(), n);
      for (std::int64_t k = 0; k < n; ++k) {
        ASSERT_EQ(x[k], k == at ? 1 : 0) << k << " of " << n;
      }
    }
  }
}

TEST_P(SoftmaxParity, DependsOnDifferencesOnly) {
  RandomFloats random(3);
  for (const float center : {-1000.0F, 1000.0F}) {
    for (std::int64_t n = 1; n <= 40; ++n) {
      GuardedFloats x(n, n % 4);
      random.Fill(x, center);
      ExpectAgrees(x);
    }
  }
}

TEST_P(SoftmaxParity, GivesMinusInfinityTheProbabilityZero) {
  GuardedFloats x(19);
  for (std::int64_t k = 0; k < 19; ++k) {
    x[k] = k % 3 == 0 ? 1.5F : -kInfinity;
  }
  ExpectAgrees(x);
  EXPECT_FLOAT_EQ(x[0], 1.0F / 7);
  EXPECT_EQ(x[1], 0);
}

INSTANTIATE_TEST_SUITE_P(Forms, SoftmaxParity, testing::ValuesIn(SoftmaxForms()), FormName());

TEST(SoftmaxReference, IsTheFormulaOnNumbersWorkedByHand) {
  const float x[] = {0, std::log(2.0F), std::log(5.0F)};
  float y[3];
  SoftmaxForms().front().fn(x, y, 3);
  EXPECT_FLOAT_EQ(y[0], 0.125F);
  EXPECT_FLOAT_EQ(y[1], 0.25F);
  EXPECT_FLOAT_EQ(y[2], 0.625F);
}

}  // namespace
}  // namespace ashlar
