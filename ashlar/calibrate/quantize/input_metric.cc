#include "ashlar/calibrate/quantize/input_metric.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <cblas.h>
#include <lapacke.h>

#include "ashlar/base/check.h"

namespace ashlar {
namespace {

constexpr float kDamping = 0.01f;

}  // namespace

InputMetric::InputMetric(const InputStatistics& statistics, std::int64_t columns, bool keep_moments)
    : order_(static_cast<std::size_t>(columns)),
      diagonal_(static_cast<std::size_t>(columns), 1.0f) {
  const auto count = static_cast<std::size_t>(columns);
  const std::span<const float> h = statistics.moments;
  CHECK(h.empty() || h.size() == count * count);
  CHECK(statistics.diagonal.empty() || statistics.diagonal.size() == count);
  for (std::size_t k = 0; k < count; ++k) {
    diagonal_[k] = !h.empty()                     ? h[k * count + k]
                   : !statistics.diagonal.empty() ? statistics.diagonal[k]
                                                  : 1.0f;
  }
  std::iota(order_.begin(), order_.end(), 0);
  std::ranges::stable_sort(order_, [&](std::int32_t a, std::int32_t b) {
    return diagonal_[static_cast<std::size_t>(a)] > diagonal_[static_cast<std::size_t>(b)];
  });
  double sum = 0;
  for (const float moment : diagonal_) {
    sum += moment;
  }
  // Inputs that were never other than zero: any error of theirs is as good as another.
  const float mean = sum > 0 ? static_cast<float>(sum / static_cast<double>(count)) : 1.0f;
  std::ranges::sort(diagonal_, std::ranges::greater());
  if (h.empty()) {
    for (float& moment : diagonal_) {
      moment += kDamping * mean;
    }
    conditional_ = diagonal_;
    return;
  }
  for (float damping = kDamping * mean;; damping *= 10) {
    // The inputs in reverse, since Cholesky's factor is lower triangular.
    factors_.resize(count * count);
    for (std::size_t r = 0; r < count; ++r) {
      const std::size_t from = static_cast<std::size_t>(order_[count - 1 - r]) * count;
      float* const to = factors_.data() + r * count;
      for (std::size_t c = 0; c < count; ++c) {
        to[c] = h[from + static_cast<std::size_t>(order_[count - 1 - c])];
      }
      to[r] += damping;
    }
    // Lower by rows is upper by columns, which needs no transposed copy.
    const auto n = static_cast<lapack_int>(columns);
    if (LAPACKE_spotrf_work(LAPACK_COL_MAJOR, 'U', n, factors_.data(), n) != 0) {
      continue;
    }
    for (float& moment : diagonal_) {
      moment += damping;
    }
    if (keep_moments) {
      moments_.resize(count * count);
      for (std::size_t r = 0; r < count; ++r) {
        const std::size_t from = static_cast<std::size_t>(order_[r]) * count;
        for (std::size_t c = 0; c < count; ++c) {
          moments_[r * count + c] = h[from + static_cast<std::size_t>(order_[c])];
        }
        moments_[r * count + r] += damping;
      }
    }
    break;
  }
  // Back into the order of deciding, where the factor is upper triangular; then to a unit diagonal.
  std::ranges::reverse(factors_);
  conditional_.resize(count);
  std::vector<float> inverse(count);
  for (std::size_t k = 0; k < count; ++k) {
    const float root = factors_[k * count + k];
    conditional_[k] = root * root;
    inverse[k] = 1.0f / root;
  }
  for (std::size_t r = 0; r < count; ++r) {
    float* const row = factors_.data() + r * count;
    std::fill(row, row + r, 0.0f);
    for (std::size_t c = r; c < count; ++c) {
      row[c] *= inverse[c];
    }
    row[r] = 1.0f;
  }
}

void InputMetric::Measure(const float* errors, int lanes, double* sums) const {
  constexpr std::int64_t kBlock = 128;
  std::fill(sums, sums + lanes, 0.0);
  std::vector<float> seen(static_cast<std::size_t>(kBlock * lanes));
  for (std::int64_t begin = 0; begin < columns(); begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, columns());
    const float* rows = errors + begin * lanes;
    if (correlated()) {
      cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, static_cast<int>(end - begin), lanes,
                  static_cast<int>(end), 1.0f, factors() + begin, static_cast<int>(columns()),
                  errors, lanes, 0.0f, seen.data(), lanes);
      rows = seen.data();
    }
    for (std::int64_t k = begin; k < end; ++k, rows += lanes) {
      const double d = conditional_[static_cast<std::size_t>(k)];
      for (int lane = 0; lane < lanes; ++lane) {
        sums[lane] += d * rows[lane] * rows[lane];
      }
    }
  }
}

}  // namespace ashlar
