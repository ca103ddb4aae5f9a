// The speed of every form of quantize_rows, one thread, warm: what a linear layer with integer
// weights pays before its products. GB/s counts the f32 numbers read.
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "ashlar/kernels/quantize_rows/quantize_rows.h"

namespace ashlar {
namespace {

void Run(benchmark::State& state, const QuantizeRowsForm& form, std::int64_t rows,
         std::int64_t columns) {
  struct alignas(64) Line {
    std::int8_t q[64];
  };
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<std::size_t>(rows * columns));
  for (float& value : x) {
    value = normal(random);
  }
  const QuantizedShape shape = ShapeOfQuantized(rows, columns);
  std::vector<Line> q(static_cast<std::size_t>(shape.q_count / 64));
  std::vector<float> scale(static_cast<std::size_t>(shape.scale_count));
  std::vector<std::int32_t> sum(static_cast<std::size_t>(shape.scale_count));
  const QuantizedRows out = {q.data()->q, scale.data(), sum.data(), shape.stride_groups,
                             shape.stride_rows};
  for (auto _ : state) {
    form.fn(x.data(), columns, rows, columns, out);
    benchmark::ClobberMemory();
  }
  state.counters["GB/s"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * 4e-9 * static_cast<double>(rows * columns),
      benchmark::Counter::kIsRate);
}

const bool kRegistered = [] {
  for (const QuantizeRowsForm& form : QuantizeRowsForms()) {
    if (!Supported(form.isa)) {
      continue;
    }
    for (const std::int64_t rows : {1, 128}) {
      for (const std::int64_t columns : {2048, 8192}) {
        const std::string name = "quantize_rows/" + std::string(form.name) + "/" +
                                 std::to_string(rows) + "x" + std::to_string(columns);
        benchmark::RegisterBenchmark(name.c_str(), [&form, rows, columns](auto& state) {
          Run(state, form, rows, columns);
        })->MinTime(0.1);
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace ashlar
