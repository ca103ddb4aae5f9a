#include "ashlar/codec/bitstack/low_rank.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "ashlar/codec/bitstack/layout.h"

namespace ashlar {
namespace {

constexpr int kRank = BitstackLayout::kRank;
constexpr int kVectors = kRank + 8;
constexpr int kPowerIterations = 2;
constexpr unsigned kSeed = 20250122;

// Makes the columns of x [rows, kVectors] orthonormal (Gram-Schmidt, twice over); those that depend
// on others become zero.
void Orthonormalize(std::vector<float>& x) {
  const std::size_t rows = x.size() / kVectors;
  for (int c = 0; c < kVectors; ++c) {
    double before = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      before += static_cast<double>(x[r * kVectors + c]) * x[r * kVectors + c];
    }
    for (int pass = 0; pass < 2; ++pass) {
      double dots[kVectors] = {};
      for (std::size_t r = 0; r < rows; ++r) {
        const float* const row = x.data() + r * kVectors;
        for (int other = 0; other < c; ++other) {
          dots[other] += static_cast<double>(row[other]) * row[c];
        }
      }
      for (std::size_t r = 0; r < rows; ++r) {
        float* const row = x.data() + r * kVectors;
        double sum = row[c];
        for (int other = 0; other < c; ++other) {
          sum -= dots[other] * row[other];
        }
        row[c] = static_cast<float>(sum);
      }
    }
    double after = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      after += static_cast<double>(x[r * kVectors + c]) * x[r * kVectors + c];
    }
    const double inverse = after > 1e-12 * before && after > 0 ? 1 / std::sqrt(after) : 0;
    for (std::size_t r = 0; r < rows; ++r) {
      x[r * kVectors + c] = static_cast<float>(x[r * kVectors + c] * inverse);
    }
  }
}

// Eigenvalues and eigenvectors (columns) of a symmetric matrix: Jacobi's rotations.
struct SmallEigen {
  double values[kVectors];
  double vectors[kVectors][kVectors];
};
SmallEigen EigenOf(double (&m)[kVectors][kVectors]) {
  SmallEigen eigen{};
  for (int i = 0; i < kVectors; ++i) {
    eigen.vectors[i][i] = 1;
  }
  for (int sweep = 0; sweep < 12; ++sweep) {
    for (int p = 0; p < kVectors; ++p) {
      for (int q = p + 1; q < kVectors; ++q) {
        if (m[p][q] == 0) {
          continue;
        }
        const double theta = (m[q][q] - m[p][p]) / (2 * m[p][q]);
        const double t = (theta >= 0 ? 1 : -1) / (std::fabs(theta) + std::hypot(theta, 1.0));
        const double c = 1 / std::hypot(t, 1.0);
        const double s = t * c;
        for (int k = 0; k < kVectors; ++k) {
          const double kp = m[k][p];
          m[k][p] = c * kp - s * m[k][q];
          m[k][q] = s * kp + c * m[k][q];
        }
        for (int k = 0; k < kVectors; ++k) {
          const double pk = m[p][k];
          m[p][k] = c * pk - s * m[q][k];
          m[q][k] = s * pk + c * m[q][k];
          const double vp = eigen.vectors[k][p];
          eigen.vectors[k][p] = c * vp - s * eigen.vectors[k][q];
          eigen.vectors[k][q] = s * vp + c * eigen.vectors[k][q];
        }
      }
    }
  }
  for (int i = 0; i < kVectors; ++i) {
    eigen.values[i] = m[i][i];
  }
  return eigen;
}

}  // namespace

LowRank NearestLowRank(const float* a, std::int64_t rows, std::int64_t columns,
                       MatrixProduct& product) {
  // The sign of a bit is all the chance that a range finder needs, and the same everywhere.
  std::mt19937 random(kSeed);
  std::vector<float> x(static_cast<std::size_t>(columns) * kVectors);
  for (float& number : x) {
    number = (random() >> 31) != 0 ? 1.0f : -1.0f;
  }
  std::vector<float> q(static_cast<std::size_t>(rows) * kVectors);
  for (int iteration = 0;; ++iteration) {
    product.Multiply(a, rows, columns, false, x.data(), kVectors, q.data());
    Orthonormalize(q);
    product.Multiply(a, rows, columns, true, q.data(), kVectors, x.data());  // a^T q
    if (iteration == kPowerIterations) {
      break;
    }
    Orthonormalize(x);
  }
  // a is near q x^T, and the singular values of x are the roots of x^T x's eigenvalues.
  double gram[kVectors][kVectors] = {};
  for (std::int64_t k = 0; k < columns; ++k) {
    const float* const row = x.data() + k * kVectors;
    for (int i = 0; i < kVectors; ++i) {
      for (int j = 0; j < kVectors; ++j) {
        gram[i][j] += static_cast<double>(row[i]) * row[j];
      }
    }
  }
  const SmallEigen eigen = EigenOf(gram);
  int order[kVectors];
  std::iota(order, order + kVectors, 0);
  std::stable_sort(order, order + kVectors,
                   [&](int i, int j) { return eigen.values[i] > eigen.values[j]; });
  const double least = 1e-12 * eigen.values[order[0]];
  LowRank result{std::vector<float>(static_cast<std::size_t>(rows) * kRank),
                 std::vector<float>(static_cast<std::size_t>(columns) * kRank)};
  // u = q e sqrt(s) and v = x e / sqrt(s), where s = sqrt(eigenvalue).
  const auto project = [&](const std::vector<float>& from, double power, std::vector<float>& to) {
    for (std::size_t n = 0; n < to.size() / kRank; ++n) {
      for (int r = 0; r < kRank; ++r) {
        const double value = eigen.values[order[r]];
        if (value <= least) {
          continue;
        }
        double sum = 0;
        for (int i = 0; i < kVectors; ++i) {
          sum += from[n * kVectors + static_cast<std::size_t>(i)] * eigen.vectors[i][order[r]];
        }
        to[n * kRank + static_cast<std::size_t>(r)] =
            static_cast<float>(sum * std::pow(value, power));
      }
    }
  };
  project(q, 0.25, result.u);
  project(x, -0.25, result.v);
  return result;
}

}  // namespace ashlar
