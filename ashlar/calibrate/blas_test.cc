#include "ashlar/calibrate/blas.h"

#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/test_floats.h"
#include "ashlar/base/test_seed.h"

namespace ashlar {
namespace {

std::vector<float> SomeNumbers(std::int64_t count) {
  static TestFloats floats(TestSeed());
  std::vector<float> numbers(static_cast<std::size_t>(count));
  for (float& number : numbers) {
    number = floats.Next(0, 1);
  }
  return numbers;
}

// Parts of wider matrices, so that rows are not side by side.
TEST(Blas, MultipliesAsAPlainSum) {
  ASSERT_TRUE(LoadBlas().ok());
  constexpr std::int64_t kM = 9;
  constexpr std::int64_t kN = 33;
  constexpr std::int64_t kK = 21;
  const std::vector<float> a = SomeNumbers(40 * 40);
  const std::vector<float> b = SomeNumbers(40 * 40);
  const std::vector<float> before = SomeNumbers(40 * 40);
  for (const Transposed transposed : {Transposed::kNo, Transposed::kYes}) {
    for (const Accumulate accumulate : {Accumulate::kNo, Accumulate::kYes}) {
      std::vector<float> out = before;
      Multiply(kM, kN, kK, {a.data(), 40}, transposed, {b.data(), 40}, {out.data(), 40},
               accumulate);
      for (std::int64_t m = 0; m < 40; ++m) {
        for (std::int64_t n = 0; n < 40; ++n) {
          const bool inside = m < kM && n < kN;
          double sum = accumulate == Accumulate::kYes || !inside ? before[m * 40 + n] : 0;
          for (std::int64_t k = 0; inside && k < kK; ++k) {
            sum +=
                static_cast<double>(a[transposed == Transposed::kYes ? k * 40 + m : m * 40 + k]) *
                b[k * 40 + n];
          }
          ASSERT_NEAR(out[m * 40 + n], sum, 1e-4) << m << ' ' << n;
        }
      }
    }
  }
}

TEST(Blas, FactorsAPositiveDefiniteMatrixAndRefusesAnother) {
  ASSERT_TRUE(LoadBlas().ok());
  constexpr std::int64_t kSize = 270;  // more than a block
  const std::vector<float> root = SomeNumbers(kSize * 8);
  std::vector<float> matrix(kSize * kSize);
  for (std::int64_t i = 0; i < kSize; ++i) {
    for (std::int64_t j = 0; j < kSize; ++j) {
      for (std::int64_t k = 0; k < 8; ++k) {
        matrix[i * kSize + j] += root[i * 8 + k] * root[j * 8 + k];
      }
      matrix[i * kSize + j] += i == j ? 1.0f : 0.0f;
    }
  }
  ThreadPool pool(2);
  std::vector<float> factor = matrix;
  ASSERT_TRUE(Cholesky(kSize, factor.data(), pool));
  for (std::int64_t i = 0; i < kSize; ++i) {
    for (std::int64_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k <= j; ++k) {
        sum += static_cast<double>(factor[i * kSize + k]) * factor[j * kSize + k];
      }
      ASSERT_NEAR(sum, matrix[i * kSize + j], 1e-3) << i << ' ' << j;
    }
  }
  ThreadPool one(1);
  std::vector<float> again = matrix;
  ASSERT_TRUE(Cholesky(kSize, again.data(), one));
  EXPECT_EQ(again, factor) << "whatever the threads";
  matrix[260 * kSize + 260] = -1;
  EXPECT_FALSE(Cholesky(kSize, matrix.data(), pool));
}

}  // namespace
}  // namespace ashlar
