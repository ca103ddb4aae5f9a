#include "ashlar/calibrate/quantize/input_metric.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ashlar/base/check.h"
#include "ashlar/calibrate/blas.h"

namespace ashlar {
namespace {

constexpr float kDamping = 0.01f;

}  // namespace

InputMetric::InputMetric(const InputStatistics& statistics, std::int64_t columns, bool keep_moments,
                         ThreadPool& threads)
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
  // [count, count] of H, damped, with inputs in the order of `at`.
  const auto reorder = [&](const std::vector<std::int32_t>& at, float damping,
                           std::vector<float>& to) {
    to.resize(count * count);
    threads.ParallelFor(columns, 16, [&](std::int64_t begin, std::int64_t end, int) {
      for (auto r = static_cast<std::size_t>(begin); r < static_cast<std::size_t>(end); ++r) {
        const float* const row = h.data() + static_cast<std::size_t>(at[r]) * count;
        for (std::size_t c = 0; c < count; ++c) {
          to[r * count + c] = row[static_cast<std::size_t>(at[c])];
        }
        to[r * count + r] += damping;
      }
    });
  };
  // In reverse, since Cholesky's factor is lower triangular.
  const std::vector<std::int32_t> reversed(order_.rbegin(), order_.rend());
  for (float damping = kDamping * mean;; damping *= 10) {
    reorder(reversed, damping, factors_);
    if (!Cholesky(columns, factors_.data(), threads)) {
      continue;
    }
    for (float& moment : diagonal_) {
      moment += damping;
    }
    if (keep_moments) {
      reorder(order_, damping, moments_);
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
      Multiply(end - begin, lanes, end, {factors() + begin, columns()}, Transposed::kYes,
               {errors, lanes}, {seen.data(), lanes}, Accumulate::kNo);
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
