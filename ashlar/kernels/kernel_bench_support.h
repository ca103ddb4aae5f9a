// What the benchmarks of kernels share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>

#include <benchmark/benchmark.h>

#include "ashlar/kernels/isa.h"

namespace ashlar {

// Random numbers, at a 64-byte boundary as in the runtime.
class RandomBuffer {
 public:
  explicit RandomBuffer(std::int64_t count)
      : data_(static_cast<float*>(
            std::aligned_alloc(64, static_cast<std::size_t>(count) * sizeof(float)))) {
    std::minstd_rand engine(1);
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::generate_n(data_.get(), count, [&] { return uniform(engine); });
  }
  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  std::unique_ptr<float[], Free> data_;
};

// Times `call`, which reads and writes `bytes` in all, as name/form; a form that this processor
// lacks is a visible skip. Warm: the operands stay where the previous call left them.
template <class Form, class Call>
void RegisterBandwidth(const std::string& name, const Form& form, double bytes, Call call) {
  benchmark::RegisterBenchmark(
      (name + "/" + std::string(form.name)).c_str(), [=](benchmark::State& state) {
        if (!Supported(form.isa)) {
          state.SkipWithError("this processor cannot run it");
          return;
        }
        for (auto _ : state) {
          call();
          benchmark::ClobberMemory();
        }
        state.counters["GB/s"] = benchmark::Counter(
            bytes * 1e-9 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
      });
}

}  // namespace ashlar
