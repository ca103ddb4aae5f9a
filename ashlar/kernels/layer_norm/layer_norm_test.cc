#include "ashlar/kernels/layer_norm/layer_norm.h"

#include <cmath>

#include "ashlar/kernels/kernel_test_support.h"

namespace ashlar {
namespace {

class LayerNormParity : public FormTest<LayerNormForm> {
 protected:
  // Both into another buffer and in place, x being about `center`.
  void ExpectAgrees(std::int64_t n, std::int64_t offset, float center, float eps, bool biased,
                    RandomFloats& random) const {
    GuardedFloats x(n, offset);
    GuardedFloats w(n, (offset + 1) % 4);
    GuardedFloats b(n, (offset + 3) % 4);
    GuardedFloats expected(n);
    GuardedFloats actual(n, (offset + 2) % 4);
    random.Fill(x, center);
    random.Fill(w);
    random.Fill(b);
    const float* bias = biased ? b.data() : nullptr;
    LayerNormForms().front().fn(x.data(), w.data(), bias, expected.data(), n, eps);
    GetParam().fn(x.data(), w.data(), bias, actual.data(), n, eps);

    double mean = 0;
    double mean_size = 0;
    for (std::int64_t k = 0; k < n; ++k) {
      mean += x[k] / static_cast<double>(n);
      mean_size += std::fabs(x[k]) / static_cast<double>(n);
    }
    double variance = 0;
    for (std::int64_t k = 0; k < n; ++k) {
      variance += (x[k] - mean) * (x[k] - mean) / static_cast<double>(n);
    }
    const double root = std::sqrt(variance + eps);
    for (std::int64_t k = 0; k < n; ++k) {
      const double size = static_cast<double>(n);
      const double bound =
          std::fabs(w[k]) / root *
              ((size / 32 + 10) * mean_size + (size / 64 + 12) * std::fabs(x[k] - mean)) +
          2 * std::fabs(expected[k]);
      ASSERT_NEAR(actual[k], expected[k], kUnitRoundoff * bound)
          << k << " of " << n << ", offset " << offset << ", center " << center;
    }
    GetParam().fn(x.data(), w.data(), bias, x.data(), n, eps);
    for (std::int64_t k = 0; k < n; ++k) {
      ASSERT_EQ(x[k], actual[k]) << "in place, " << k << " of " << n;
    }
    actual.ExpectIntact();
    x.ExpectIntact();
  }
};

TEST_P(LayerNormParity, AgreesWithTheReferenceForEveryTailAndMisalignment) {
  RandomFloats random(1);
  for (std::int64_t n = 1; n <= 200; ++n) {
    for (const std::int64_t offset : {0, 1, 3}) {
      ExpectAgrees(n, offset, 0.5F, 1e-5F, offset != 1, random);
    }
  }
  for (const std::int64_t n : {1024, 2048, 4095, 8192}) {
    ExpectAgrees(n, 0, 0.1F, 1e-5F, true, random);
  }
}

TEST_P(LayerNormParity, AgreesWithTheReferenceFarFromZero) {
  RandomFloats random(2);
  for (const float center : {-3.0F, 30.0F, 300.0F}) {
    ExpectAgrees(768, 0, center, 1e-5F, true, random);
  }
}

TEST_P(LayerNormParity, AddsEpsilonToTheVariance) {
  RandomFloats random(3);
  for (const float eps : {1e-3F, 0.5F, 100.0F}) {
    ExpectAgrees(37, 0, 0, eps, true, random);
  }
  const float x[3] = {4, 4, 4};
  const float w[3] = {1, 1, 1};
  float y[3];
  GetParam().fn(x, w, nullptr, y, 3, 1e-5F);
  EXPECT_EQ(y[0], 0);
  EXPECT_EQ(y[2], 0);
}

INSTANTIATE_TEST_SUITE_P(Forms, LayerNormParity, testing::ValuesIn(LayerNormForms()), FormName());

TEST(LayerNormReference, IsTheFormulaOnNumbersWorkedByHand) {
  const float x[] = {1, 3, 5, 7};  // mean 4, variance 5
  const float w[] = {1, 1, 2, 2};
  const float b[] = {0, 10, 0, -1};
  float y[4];
  LayerNormForms().front().fn(x, w, b, y, 4, 4);
  EXPECT_FLOAT_EQ(y[0], -1);
  EXPECT_FLOAT_EQ(y[1], 10 - 1.0F / 3);
  EXPECT_FLOAT_EQ(y[2], 2.0F / 3);
  EXPECT_FLOAT_EQ(y[3], 1);
}

}  // namespace
}  // namespace ashlar
