// The speed of every form of the linear kernels, one thread, on the matrices of a network of width
// 2048 with an MLP of 8192.
//
// decode: one row, over so many matrices that no cache holds them: weights come from memory.
// prompt: 128 rows on one matrix. Counters: GB/s of weights and its share of the read bandwidth;
// GOP/s (a product and its sum are 2) and its share of the peak of that instruction set.
#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "ashlar/kernels/linear/linear.h"
#include "ashlar/kernels/peak/peak.h"
#include "ashlar/kernels/quantize_rows/quantize_rows.h"

namespace ashlar {
namespace {

constexpr std::int64_t kColdBytes = std::int64_t{512} << 20;

struct Free {
  void operator()(void* p) const { ::operator delete[](p, std::align_val_t{64}); }
};
template <class T>
using AlignedArray = std::unique_ptr<T[], Free>;
template <class T>
AlignedArray<T> MakeAligned(std::int64_t count) {
  return AlignedArray<T>(new (std::align_val_t{64}) T[static_cast<std::size_t>(count)]);
}

struct Size {
  std::string name;
  std::int64_t rows;
  std::int64_t inputs;
  std::int64_t outputs;
  bool cold;  // weights from memory
};

const std::vector<Size>& Sizes() {
  static const std::vector<Size> sizes = {
      {"decode/2048x8192", 1, 2048, 8192, true},
      {"decode/8192x2048", 1, 8192, 2048, true},
      {"decode_b4/2048x8192", 4, 2048, 8192, true},
      {"decode_b16/2048x8192", 16, 2048, 8192, true},
      {"prompt_128/2048x8192", 128, 2048, 8192, false},
      {"prompt_128/8192x2048", 128, 8192, 2048, false},
      {"prompt_128/256x704", 128, 256, 704, false},
  };
  return sizes;
}

// Operations per second of one thread at best, for this kernel's kind of numbers.
double Peak(const LinearKernel& kernel, Isa isa) {
  static std::map<std::pair<Activations, Isa>, double> peaks;
  double& peak = peaks[{kernel.activations, isa}];
  if (peak == 0) {
    peak = kernel.activations == Activations::kF32 ? PeakF32PerSecond(isa) : PeakInt8PerSecond(isa);
  }
  return peak;
}

double Bandwidth() {
  static const double bandwidth = ReadBytesPerSecond(1);
  return bandwidth;
}

void Run(benchmark::State& state, const LinearKernel& kernel, const LinearForm& form,
         const Size& size) {
  const Codec& codec = **FindCodec(kernel.codec);
  const auto bytes = static_cast<std::int64_t>(*PackedBytes(codec, {size.outputs, size.inputs}));
  const std::int64_t matrices = size.cold ? kColdBytes / bytes : 1;
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;

  // One band of random numbers, repeated: the kernels' speed does not depend on them.
  std::vector<float> values(static_cast<std::size_t>(codec.row_unit * size.inputs));
  for (float& value : values) {
    value = normal(random);
  }
  std::vector<std::byte> band(codec.band_bytes(size.inputs));
  codec.encode(values.data(), codec.row_unit, size.inputs, band.data());
  const AlignedArray<std::byte> weights = MakeAligned<std::byte>(matrices * bytes);
  for (std::int64_t at = 0; at < matrices * bytes; at += std::ssize(band)) {
    std::copy(band.begin(), band.end(), weights.get() + at);
  }
  const AlignedArray<float> x = MakeAligned<float>(size.rows * size.inputs);
  for (std::int64_t i = 0; i < size.rows * size.inputs; ++i) {
    x[static_cast<std::size_t>(i)] = normal(random);
  }
  const QuantizedShape shape = ShapeOfQuantized(size.rows, size.inputs);
  const AlignedArray<std::int8_t> q = MakeAligned<std::int8_t>(shape.q_count);
  const AlignedArray<float> scale = MakeAligned<float>(shape.scale_count);
  const AlignedArray<std::int32_t> sum = MakeAligned<std::int32_t>(shape.scale_count);
  const QuantizedRows quantized = {q.get(), scale.get(), sum.get(), shape.stride_groups,
                                   shape.stride_rows};
  QuantizeRowsForms()[0].fn(x.get(), size.inputs, size.rows, size.inputs, quantized);
  const AlignedArray<float> y = MakeAligned<float>(size.rows * size.outputs);

  LinearArgs args = {.band_stride = codec.band_bytes(size.inputs),
                     .inputs = size.inputs,
                     .output_begin = 0,
                     .output_end = size.outputs,
                     .rows = size.rows,
                     .x = x.get(),
                     .x_stride = size.inputs,
                     .x_quantized = quantized,
                     .y = y.get(),
                     .y_stride = size.outputs};
  std::int64_t matrix = 0;
  const double start = ThreadSeconds();
  for (auto _ : state) {
    args.weights = weights.get() + matrix * bytes;
    matrix = (matrix + 1) % matrices;
    form.fn(args);
    benchmark::ClobberMemory();
  }
  const double calls_per_second =
      static_cast<double>(state.iterations()) / (ThreadSeconds() - start);
  const double read = calls_per_second * static_cast<double>(bytes);
  const double done =
      calls_per_second * 2 * static_cast<double>(size.rows * size.inputs * size.outputs);
  state.counters["GB/s"] = read / 1e9;
  state.counters["GOP/s"] = done / 1e9;
  if (size.cold) {
    state.counters["of_bandwidth"] = read / Bandwidth();
  }
  if (form.isa != Isa::kReference) {
    state.counters["of_peak"] = done / Peak(kernel, form.isa);
  }
}

const bool kRegistered = [] {
  for (const LinearKernel& kernel : LinearKernels()) {
    for (const LinearForm& form : kernel.forms) {
      for (const Size& size : Sizes()) {
        if (!Supported(form.isa) || (form.isa == Isa::kReference && size.rows > 1)) {
          continue;
        }
        const std::string name =
            "linear/" + std::string(kernel.codec) + "/" + std::string(form.name) + "/" + size.name;
        benchmark::RegisterBenchmark(name.c_str(), [&kernel, &form, &size](auto& state) {
          Run(state, kernel, form, size);
        })->MinTime(0.2);
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace ashlar
