#include <algorithm>
#include <cmath>
#include <vector>

#include "ashlar/calibrate/blas.h"
#include "ashlar/calibrate/quantize/input_metric.h"
#include "ashlar/calibrate/quantize/quantizers.h"
#include "ashlar/codec/bitstack/bitstack.h"
#include "ashlar/codec/bitstack/layout.h"

namespace ashlar::internal {
namespace {

// Outputs (or inputs) of a product, or of a matrix whose errors are measured, at a time: fixed, so
// that nothing depends on who computes what.
constexpr std::int64_t kSlice = 64;

class ThreadedProduct : public MatrixProduct {
 public:
  explicit ThreadedProduct(ThreadPool& threads) : threads_(threads) {}

  void Multiply(const float* a, std::int64_t rows, std::int64_t columns, bool transposed,
                const float* x, std::int64_t width, float* out) override {
    const std::int64_t count = transposed ? columns : rows;
    const std::int64_t depth = transposed ? rows : columns;
    threads_.ParallelFor(
        (count - 1) / kSlice + 1, 1, [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t first = begin * kSlice; first < std::min(end * kSlice, count);
               first += kSlice) {
            const std::int64_t taken = std::min(kSlice, count - first);
            ashlar::Multiply(taken, width, depth,
                             {a + (transposed ? first : first * columns), columns},
                             transposed ? Transposed::kYes : Transposed::kNo, {x, width},
                             {out + first * width, width}, Accumulate::kNo);
          }
        });
  }

 private:
  ThreadPool& threads_;
};

}  // namespace

void QuantizeBitstack(const float* values, std::int64_t rows, std::int64_t columns,
                      const InputStatistics& statistics, std::span<std::byte* const> out,
                      ThreadPool& threads, Quantized& quantized) {
  const InputMetric metric(statistics, columns, false, threads);
  // An input's size: the root of its second moment.
  std::vector<float> sizes(static_cast<std::size_t>(columns));
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    sizes[static_cast<std::size_t>(metric.order()[k])] = std::sqrt(metric.diagonal()[k]);
  }
  ThreadedProduct product(threads);
  EncodeBitstack(values, rows, columns, sizes, product, out);

  threads.ParallelFor((rows - 1) / kSlice + 1, 1, [&](std::int64_t begin, std::int64_t end, int) {
    std::vector<float> decoded(static_cast<std::size_t>(kSlice * columns));
    std::vector<float> errors(decoded.size());
    std::vector<double> sums(kSlice);
    for (std::int64_t first = begin * kSlice; first < std::min(end * kSlice, rows);
         first += kSlice) {
      const std::int64_t taken = std::min(kSlice, rows - first);
      for (std::size_t level = 0; level < out.size(); ++level) {
        const std::vector<const std::byte*> prefix(
            out.begin(), out.begin() + static_cast<std::ptrdiff_t>(level) + 1);
        kBitstack.residual->decode(prefix, rows, columns, first, first + taken, decoded.data());
        for (std::int64_t k = 0; k < columns; ++k) {
          const std::int64_t input = metric.order()[static_cast<std::size_t>(k)];
          for (std::int64_t lane = 0; lane < taken; ++lane) {
            errors[static_cast<std::size_t>(k * kSlice + lane)] =
                values[(first + lane) * columns + input] -
                decoded[static_cast<std::size_t>(lane * columns + input)];
          }
        }
        metric.Measure(errors.data(), kSlice, sums.data());
        for (std::int64_t lane = 0; lane < taken; ++lane) {
          const std::int64_t row = first + lane;
          quantized.errors[level][static_cast<std::size_t>(row / BitstackLayout::kOutputs)] +=
              sums[static_cast<std::size_t>(lane)] *
              (statistics.outputs.empty() ? 1 : statistics.outputs[static_cast<std::size_t>(row)]);
        }
      }
    }
  });
}

}  // namespace ashlar::internal
