// What a step costs beside its blocks: networks so small that their weights hardly matter.
#include <benchmark/benchmark.h>

#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/internal/page_cache.h"
#include "ashlar/runtime/testing_networks.h"

namespace ashlar {
namespace {

// Decoding steps of so many sequences, half of them on a network with two layers left out.
void DecodeSteps(benchmark::State& state) {
  const auto store = NewMemoryStore();
  const Network base = testing_networks::RandomLlama(*store, {.layers = 16});
  std::vector<int> kept;
  for (int layer = 0; layer < 16; ++layer) {
    if (layer != 7 && layer != 8) {
      kept.push_back(layer);
    }
  }
  Engine engine(*store, {.isa = *ChooseIsa(""), .max_positions = 1 << 14});
  const NetworkId networks[] = {*engine.Load(base),
                                *engine.Load(testing_networks::WithLayers(base, kept))};
  const auto submit = [&] {
    for (std::int32_t i = 0; i < state.range(0); ++i) {
      benchmark::DoNotOptimize(engine.Submit({.network = networks[i % 2],
                                              .prompt = {i, 2, 3},
                                              .max_tokens = 1000,
                                              .sampling = {.temperature = 0}}));
    }
  };
  for (auto _ : state) {
    if (engine.idle()) {
      submit();
    }
    benchmark::DoNotOptimize(engine.Step());
  }
  state.counters["nodes/s"] = benchmark::Counter(static_cast<double>(engine.counters().block_runs),
                                                 benchmark::Counter::kIsRate);
}
BENCHMARK(DecodeSteps)->Name("decode_step")->Arg(1)->Arg(4)->Arg(16);

// Finding a cached prompt of 128 pages in each of 32 slots.
void FindPrefix(benchmark::State& state) {
  constexpr int kPages = 128, kSlots = 32;
  internal::PageCache cache(kPages * kSlots * 4096);
  const std::vector<std::int32_t> tokens(kPageLength, 7);
  std::vector<Digest> chains;
  for (int slot = 0; slot < kSlots; ++slot) {
    chains.push_back(Sha256(std::to_string(slot)));
  }
  std::vector<internal::PageRef> held;
  const auto release = [&] {
    while (!held.empty()) {
      held.pop_back();
    }
  };
  for (const Digest& chain : chains) {
    const internal::Page* parent = nullptr;
    for (int page = 0; page < kPages; ++page) {
      held.push_back(cache.Publish(cache.Allocate(4096), parent, chain, tokens));
      parent = held.back().get();
    }
  }
  release();
  for (auto _ : state) {
    for (const Digest& chain : chains) {
      const internal::Page* parent = nullptr;
      for (int page = 0; page < kPages; ++page) {
        held.push_back(cache.Find(parent, chain, tokens));
        parent = held.back().get();
      }
    }
    release();
  }
  state.SetItemsProcessed(state.iterations() * kPages * kSlots);
}
BENCHMARK(FindPrefix)->Name("find_prefix_2k_tokens_32_slots");

}  // namespace
}  // namespace ashlar
