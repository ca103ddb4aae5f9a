// The speed of what imports and loads do: hashing, putting, finding and mapping blobs.
#include <benchmark/benchmark.h>

#include "ashlar/store/internal/testing.h"

namespace ashlar {
namespace {

using namespace internal;

void BM_Sha256(benchmark::State& state) {
  const std::string bytes(static_cast<std::size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    benchmark::DoNotOptimize(Sha256(bytes));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Sha256)->Arg(4 << 10)->Arg(16 << 20);

// New blobs, on the disk that holds the current directory: two fsyncs each.
void BM_PutNewBlob(benchmark::State& state) {
  const TemporaryDirectory directory(std::filesystem::current_path());
  const auto store = Must(OpenDiskStore(directory.path() / "store"));
  std::string bytes(static_cast<std::size_t>(state.range(0)), 'x');
  std::uint64_t n = 0;
  for (auto _ : state) {
    std::memcpy(bytes.data(), &++n, sizeof(n));
    Must(store->Put(AsBytes(bytes)));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_PutNewBlob)->Arg(4 << 10)->Arg(16 << 20)->UseRealTime();

void BM_GetAndUnmap(benchmark::State& state) {
  const TemporaryDirectory directory(std::filesystem::current_path());
  const auto store = Must(OpenDiskStore(directory.path() / "store"));
  const Digest digest = Must(store->Put(AsBytes(std::string(1 << 20, 'x'))));
  for (auto _ : state) {
    benchmark::DoNotOptimize(Must(store->Get(digest)));
  }
}
BENCHMARK(BM_GetAndUnmap);

}  // namespace
}  // namespace ashlar
