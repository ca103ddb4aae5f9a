#include "ashlar/codec/bitstack/low_rank.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/test_floats.h"
#include "ashlar/base/test_seed.h"

namespace ashlar {
namespace {

constexpr std::int64_t kTall = 120;
constexpr std::int64_t kWide = 96;
constexpr std::int64_t kHeld = 16;

class LoopProduct : public MatrixProduct {
 public:
  void Multiply(const float* a, std::int64_t rows, std::int64_t columns, bool transposed,
                const float* x, std::int64_t width, float* out) override {
    std::fill(out, out + (transposed ? columns : rows) * width, 0.0f);
    for (std::int64_t n = 0; n < rows; ++n) {
      for (std::int64_t k = 0; k < columns; ++k) {
        for (std::int64_t i = 0; i < width; ++i) {
          out[(transposed ? k : n) * width + i] +=
              a[n * columns + k] * x[(transposed ? n : k) * width + i];
        }
      }
    }
  }
};

// [size][count]: random columns made orthonormal.
std::vector<std::vector<double>> OrthonormalColumns(std::int64_t size, std::int64_t count,
                                                    TestFloats& floats) {
  std::vector<std::vector<double>> columns;
  while (std::ssize(columns) < count) {
    std::vector<double> column(static_cast<std::size_t>(size));
    for (double& number : column) {
      number = floats.Next(0, 1);
    }
    for (int pass = 0; pass < 2; ++pass) {
      for (const std::vector<double>& other : columns) {
        double dot = 0;
        for (std::size_t i = 0; i < column.size(); ++i) {
          dot += column[i] * other[i];
        }
        for (std::size_t i = 0; i < column.size(); ++i) {
          column[i] -= dot * other[i];
        }
      }
    }
    double square = 0;
    for (const double number : column) {
      square += number * number;
    }
    for (double& number : column) {
      number /= std::sqrt(square);
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

// The largest singular value of [kTall, kWide]: enough steps of the power method.
double SpectralNorm(const std::vector<double>& a) {
  std::vector<double> x(kWide, 1);
  double norm = 0;
  for (int step = 0; step < 200; ++step) {
    std::vector<double> y(kTall);
    std::vector<double> next(kWide);
    for (std::int64_t n = 0; n < kTall; ++n) {
      for (std::int64_t k = 0; k < kWide; ++k) {
        y[n] += a[n * kWide + k] * x[k];
      }
      for (std::int64_t k = 0; k < kWide; ++k) {
        next[k] += a[n * kWide + k] * y[n];
      }
    }
    double square = 0;
    for (const double number : next) {
      square += number * number;
    }
    norm = std::sqrt(std::sqrt(square));
    for (std::int64_t k = 0; k < kWide; ++k) {
      x[k] = next[k] / std::sqrt(square);
    }
  }
  return norm;
}

// A matrix of known singular values is A = P diag(s) Q^T; the best of rank 16 leaves s[16].
TEST(NearestLowRank, LeavesLittleMoreThanTheBestOfItsRankWhateverTheSpectrum) {
  TestFloats floats(TestSeed());
  const auto p = OrthonormalColumns(kTall, kWide, floats);
  const auto q = OrthonormalColumns(kWide, kWide, floats);
  struct Spectrum {
    const char* name;
    double (*value)(std::int64_t i);
  };
  const Spectrum spectra[] = {
      {"as of magnitudes: one large", [](std::int64_t i) { return i == 0 ? 20.0 : 1 - 0.005 * i; }},
      {"slow", [](std::int64_t i) { return 1 / std::sqrt(1.0 + static_cast<double>(i)); }},
      {"fast", [](std::int64_t i) { return std::pow(0.8, static_cast<double>(i)); }},
  };
  for (const Spectrum& spectrum : spectra) {
    std::vector<double> exact(kTall * kWide);
    for (std::int64_t i = 0; i < kWide; ++i) {
      for (std::int64_t n = 0; n < kTall; ++n) {
        for (std::int64_t k = 0; k < kWide; ++k) {
          exact[n * kWide + k] += spectrum.value(i) * p[i][n] * q[i][k];
        }
      }
    }
    const std::vector<float> a(exact.begin(), exact.end());
    LoopProduct product;
    const LowRank near = NearestLowRank(a.data(), kTall, kWide, product);
    double left = 0;
    for (std::int64_t n = 0; n < kTall; ++n) {
      for (std::int64_t k = 0; k < kWide; ++k) {
        for (std::int64_t r = 0; r < kHeld; ++r) {
          exact[n * kWide + k] -=
              static_cast<double>(near.u[n * kHeld + r]) * near.v[k * kHeld + r];
        }
        left += exact[n * kWide + k] * exact[n * kWide + k];
      }
    }
    double best = 0;
    for (std::int64_t i = kHeld; i < kWide; ++i) {
      best += spectrum.value(i) * spectrum.value(i);
    }
    EXPECT_LT(SpectralNorm(exact), 1.25 * spectrum.value(kHeld)) << spectrum.name;
    EXPECT_LT(left, 1.03 * best) << spectrum.name;
    EXPECT_GT(left, 0.99 * best) << spectrum.name << ": better than the best";
  }
}

TEST(NearestLowRank, HoldsAMatrixOfLowerRankWhole) {
  std::vector<float> a(kTall * kWide);
  for (std::int64_t n = 0; n < kTall; ++n) {
    for (std::int64_t k = 0; k < kWide; ++k) {
      a[n * kWide + k] = static_cast<float>(n % 7) * 0.5f + static_cast<float>(k % 5);
    }
  }
  LoopProduct product;
  const LowRank near = NearestLowRank(a.data(), kTall, kWide, product);
  for (std::int64_t n = 0; n < kTall; ++n) {
    for (std::int64_t k = 0; k < kWide; ++k) {
      double sum = 0;
      for (std::int64_t r = 0; r < kHeld; ++r) {
        sum += static_cast<double>(near.u[n * kHeld + r]) * near.v[k * kHeld + r];
      }
      ASSERT_NEAR(sum, a[n * kWide + k], 1e-4);
    }
  }
}

}  // namespace
}  // namespace ashlar
