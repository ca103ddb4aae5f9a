#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "ashlar/kernels/attention/attention.h"
#include "ashlar/kernels/kernel_bench_support.h"

namespace ashlar {
namespace {

// Llama 3.2 1B: 32 heads in groups of 4. Bytes are those of the keys and values read once per call;
// FLOPs are two multiply-adds per query, position and dim.
constexpr AttentionShape kShape = {.heads = 32,
                                   .kv_heads = 8,
                                   .key_dim = 64,
                                   .value_dim = 64,
                                   .scale = 0.125F,
                                   .soft_cap = 0,
                                   .window = 0};

// Pages full of random numbers.
class Pages {
 public:
  Pages(const AttentionForm& form, std::int64_t count)
      : bytes_each_(PageNumbers(kShape) * static_cast<std::int64_t>(ByteSize(form.kv_format))),
        storage_(count * bytes_each_ / static_cast<std::int64_t>(sizeof(float))) {
    const RandomBuffer k(kShape.kv_heads * kShape.key_dim);
    const RandomBuffer v(kShape.kv_heads * kShape.value_dim);
    for (std::int64_t i = 0; i < count; ++i) {
      pages_.push_back(reinterpret_cast<std::byte*>(storage_.data()) + i * bytes_each_);
      for (int slot = 0; slot < kPageLength; ++slot) {
        form.store(kShape, k.data(), v.data(), slot, pages_.back());
      }
    }
  }
  std::byte* const* pages() const { return pages_.data(); }

 private:
  std::int64_t bytes_each_;
  RandomBuffer storage_;
  std::vector<std::byte*> pages_;
};

// Storing a prompt's keys and values, one position after the other, in a page that is warm.
void RunStore(benchmark::State& state, const AttentionForm& form) {
  if (!Supported(form.isa)) {
    state.SkipWithError("this processor cannot run it");
    return;
  }
  const Pages storage(form, 1);
  const RandomBuffer k(kShape.kv_heads * kShape.key_dim);
  const RandomBuffer v(kShape.kv_heads * kShape.value_dim);
  for (auto _ : state) {
    for (int slot = 0; slot < kPageLength; ++slot) {
      form.store(kShape, k.data(), v.data(), slot, storage.pages()[0]);
    }
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * kPageLength);
}

void Run(benchmark::State& state, const AttentionForm& form, std::int64_t rows,
         std::int64_t context, int sequences) {
  if (!Supported(form.isa)) {
    state.SkipWithError("this processor cannot run it");
    return;
  }
  const std::int64_t positions = context + rows;
  const std::int64_t pages_each = (positions + kPageLength - 1) / kPageLength;
  Pages storage(form, pages_each * sequences);
  const std::int64_t q_width = kShape.heads * kShape.key_dim;
  const std::int64_t out_width = kShape.heads * kShape.value_dim;
  const RandomBuffer q(rows * q_width);
  RandomBuffer out(rows * out_width);
  for (auto _ : state) {
    for (int i = 0; i < sequences; ++i) {
      form.fn({.shape = kShape,
               .q = q.data(),
               .q_stride = q_width,
               .out = out.data(),
               .out_stride = out_width,
               .pages = storage.pages() + i * pages_each,
               .sinks = nullptr,
               .first_position = context,
               .rows = rows,
               .kv_begin = 0,
               .kv_end = kShape.kv_heads});
    }
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  const double visible =
      static_cast<double>(rows * context) + static_cast<double>(rows * (rows + 1)) / 2;
  const double flops =
      visible * static_cast<double>(2 * kShape.heads * (kShape.key_dim + kShape.value_dim));
  const double bytes =
      static_cast<double>(positions * kShape.kv_heads * (kShape.key_dim + kShape.value_dim)) *
      static_cast<double>(ByteSize(form.kv_format));
  const double calls = static_cast<double>(state.iterations()) * sequences;
  state.counters["GFLOP/s"] = benchmark::Counter(flops * calls * 1e-9, benchmark::Counter::kIsRate);
  state.counters["GB/s"] = benchmark::Counter(bytes * calls * 1e-9, benchmark::Counter::kIsRate);
}

std::vector<AttentionForm> AllForms() {
  std::vector<AttentionForm> forms;
  for (const KvFormat format : {KvFormat::kF32, KvFormat::kF16}) {
    const auto of_format = AttentionForms(format);
    forms.insert(forms.end(), of_format.begin(), of_format.end());
  }
  return forms;
}

std::string NameOf(const AttentionForm& form) {
  return std::string(form.name) + "/" + std::string(KvFormatName(form.kv_format));
}

// One thread. Cold: so many sequences that each call's pages have left the caches.
const int kRegistered = [] {
  struct Workload {
    const char* name;
    std::int64_t rows, context;
    int sequences;
  };
  constexpr Workload kWorkloads[] = {
      {"decode_ctx128_warm", 1, 127, 1},     {"decode_ctx2048_warm", 1, 2047, 1},
      {"decode_ctx2048_cold", 1, 2047, 32},  {"prefill_128", 128, 0, 1},
      {"prefill_128_ctx1024", 128, 1024, 1},
  };
  for (const Workload& workload : kWorkloads) {
    for (const AttentionForm& form : AllForms()) {
      if (form.isa == Isa::kReference && workload.rows * workload.context > 2048) {
        continue;  // seconds per call
      }
      benchmark::RegisterBenchmark(
          ("attention/" + std::string(workload.name) + "/" + NameOf(form)).c_str(),
          [=](benchmark::State& state) {
            Run(state, form, workload.rows, workload.context, workload.sequences);
          });
    }
  }
  for (const AttentionForm& form : AllForms()) {
    benchmark::RegisterBenchmark(("attention/store/" + NameOf(form)).c_str(),
                                 [=](benchmark::State& state) { RunStore(state, form); });
  }
  return 0;
}();

}  // namespace
}  // namespace ashlar
