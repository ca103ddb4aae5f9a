// What a loop costs that has next to nothing to do: the price of each parallel step of decoding.
#include <benchmark/benchmark.h>

#include "ashlar/base/thread_pool.h"

namespace ashlar {
namespace {

// The argument is the number of threads; loops follow each other closely, so that workers spin.
void BM_TinyLoop(benchmark::State& state) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    pool.ParallelFor(64, 8, [](std::int64_t begin, std::int64_t end, int) {
      benchmark::DoNotOptimize(begin + end);
    });
  }
}
BENCHMARK(BM_TinyLoop)->Arg(1)->DenseRange(2, ThreadPool::UsableCores())->UseRealTime();

// The same with workers that went to sleep, and are woken through the kernel.
void BM_TinyLoopOfSleepers(benchmark::State& state) {
  ThreadPool pool(static_cast<int>(state.range(0)), /*spin_us=*/0);
  for (auto _ : state) {
    pool.ParallelFor(64, 8, [](std::int64_t begin, std::int64_t end, int) {
      benchmark::DoNotOptimize(begin + end);
    });
  }
}
BENCHMARK(BM_TinyLoopOfSleepers)->DenseRange(2, ThreadPool::UsableCores())->UseRealTime();

}  // namespace
}  // namespace ashlar
