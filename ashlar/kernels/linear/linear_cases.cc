// The matrices of a network of width 2048 with an MLP of 8192, and one of a small network.
//
// Few rows go over so many matrices that no cache holds them: weights come from memory, as when
// tokens are decoded. 128 rows, as of a prompt, go over one matrix.
#include <algorithm>

#include "ashlar/codec/gguf/testing_blocks.h"
#include "ashlar/kernels/kernel_cases.h"
#include "ashlar/kernels/linear/linear.h"
#include "ashlar/kernels/quantize_rows/quantize_rows.h"

namespace ashlar {
namespace {

struct LinearSize {
  const char* name;
  std::int64_t rows, inputs, outputs;
  bool cold;
};
constexpr LinearSize kLinearSizes[] = {
    {"1 row 2048x8192", 1, 2048, 8192, true},       {"1 row 8192x2048", 1, 8192, 2048, true},
    {"4 rows 2048x8192", 4, 2048, 8192, true},      {"16 rows 2048x8192", 16, 2048, 8192, true},
    {"128 rows 2048x8192", 128, 2048, 8192, false}, {"128 rows 8192x2048", 128, 8192, 2048, false},
    {"128 rows 256x704", 128, 256, 704, false},     {"1 row 256x704", 1, 256, 704, false},
};

std::int64_t MatrixBytes(const Codec& codec, const LinearSize& size) {
  return static_cast<std::int64_t>(*PackedBytes(codec, {size.outputs, size.inputs}));
}

std::function<void()> PrepareLinear(const Codec& codec, LinearFn fn, const LinearSize& size) {
  const std::int64_t bytes = MatrixBytes(codec, size);
  const std::int64_t matrices = size.cold ? kColdBytes / bytes : 1;
  // One band of random numbers, repeated: the kernels' speed does not depend on them.
  std::vector<std::byte> band(codec.band_bytes(size.inputs));
  if (!IsBlockCodec(codec)) {
    codec.encode(MakeRandom(codec.row_unit * size.inputs).get(), codec.row_unit, size.inputs,
                 band.data());
  } else {
    std::mt19937_64 random(1);
    band = RandomPacked(BlockCodecOf(codec), codec.row_unit, size.inputs, random);
  }
  const auto weights = MakeAligned<std::byte>(matrices * bytes);
  for (std::int64_t at = 0; at < matrices * bytes; at += std::ssize(band)) {
    std::ranges::copy(band, weights.get() + at);
  }
  const auto x = MakeRandom(size.rows * size.inputs);
  const QuantizedShape shape = ShapeOfQuantized(size.rows, size.inputs);
  const auto q = MakeAligned<std::int8_t>(shape.q_count);
  const auto scale = MakeAligned<float>(shape.scale_count);
  const auto sum = MakeAligned<std::int32_t>(shape.scale_count);
  const QuantizedRows quantized = {q.get(), scale.get(), sum.get(), shape.stride_groups,
                                   shape.stride_rows};
  QuantizeRowsForms()[0].fn(x.get(), size.inputs, size.rows, size.inputs, quantized);
  const auto y = MakeAligned<float>(size.rows * size.outputs);
  const LinearArgs args = {.weights = weights.get(),
                           .band_stride = band.size(),
                           .inputs = size.inputs,
                           .output_begin = 0,
                           .output_end = size.outputs,
                           .rows = size.rows,
                           .x = x.get(),
                           .x_stride = size.inputs,
                           .x_quantized = quantized,
                           .y = y.get(),
                           .y_stride = size.outputs};
  return [=, held = std::tuple(weights, x, q, scale, sum, y), matrix = std::int64_t{0}]() mutable {
    LinearArgs next = args;
    next.weights += matrix * bytes;
    fn(next);
    matrix = (matrix + 1) % matrices;
  };
}

}  // namespace

std::vector<KernelCase> LinearCases() {
  std::vector<KernelCase> cases;
  for (const LinearKernel& kernel : LinearKernels()) {
    const Codec& codec = **FindCodec(kernel.codec);
    for (const LinearSize& size : kLinearSizes) {
      for (const LinearForm& form : kernel.forms) {
        if (form.isa == Isa::kReference && size.rows > 1) {
          continue;  // seconds for a call
        }
        cases.push_back(
            {.kernel = "linear/" + std::string(kernel.codec),
             .size = size.name,
             .isa = form.isa,
             .bytes = static_cast<double>(MatrixBytes(codec, size)),
             .operations = 2.0 * static_cast<double>(size.rows * size.inputs * size.outputs),
             .arithmetic =
                 kernel.activations == Activations::kF32 ? Arithmetic::kF32 : Arithmetic::kInt8,
             .cold = size.cold,
             .prepare = [&codec, fn = form.fn, &size] { return PrepareLinear(codec, fn, size); }});
      }
    }
  }
  return cases;
}

}  // namespace ashlar
