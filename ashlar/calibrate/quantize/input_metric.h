// An InputMetric measures the error of an output as the network feels it: e H e^T.
//
// It keeps the inputs in the order in which a quantizer decides about them, largest second moment
// first, and the factors H = (I + A) D (I + A)^T with A strictly upper triangular and D diagonal,
// so that
//
//   e H e^T = sum over k of d[k] * (e[k] + sum over j < k of e[j] A[j, k])^2
//
// A weight that is decided after others makes their errors good when it is rounded from
// w[k] + sum over j < k of e[j] A[j, k]. (GPTQ, Frantar et al. 2023, in the form of LDLQ, Chee et
// al. 2023.) When only the diagonal of H is known, A is zero and nothing is made good.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ashlar/calibrate/quantize/quantize.h"

namespace ashlar {

class InputMetric {
 public:
  // H is damped by a hundredth of its mean diagonal, and by more until it can be factored.
  // `keep_moments`: moments() is wanted too, which takes as much memory again.
  InputMetric(const InputStatistics& statistics, std::int64_t columns, bool keep_moments,
              ThreadPool& threads);

  std::int64_t columns() const { return static_cast<std::int64_t>(order_.size()); }
  // Whether anything but the diagonal is known.
  bool correlated() const { return !factors_.empty(); }
  // order()[k]: the input that is decided k-th. All that follows is in this order.
  std::span<const std::int32_t> order() const { return order_; }
  // H's diagonal, damped, and D.
  std::span<const float> diagonal() const { return diagonal_; }
  std::span<const float> conditional() const { return conditional_; }
  // I + A, row-major with zeros below the diagonal; empty unless correlated.
  const float* factors() const { return factors_.data(); }
  // Of errors side by side, [columns][lanes]: sums[lane] = e H e^T.
  void Measure(const float* errors, int lanes, double* sums) const;
  // H, damped; empty unless correlated and kept.
  const float* moments() const { return moments_.data(); }

 private:
  std::vector<std::int32_t> order_;
  std::vector<float> diagonal_;
  std::vector<float> conditional_;
  std::vector<float> factors_;
  std::vector<float> moments_;
};

}  // namespace ashlar
