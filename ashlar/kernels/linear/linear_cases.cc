// The matrices of a network of width 2048 with an MLP of 8192, and one of a small network.
//
// Few rows go over so many matrices that no cache holds them: weights come from memory, as when
// tokens are decoded. 128 rows, as of a prompt, go over one matrix. Of a residual codec
// there are cases for some numbers of levels.
#include <algorithm>

#include "ashlar/codec/gguf/testing_blocks.h"
#include "ashlar/kernels/kernel_cases.h"
#include "ashlar/kernels/linear/linear.h"
#include "ashlar/kernels/quantize_rows/quantize_rows.h"
#include "ashlar/kernels/split_rows/split_rows.h"

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

// A kernel computes on the first levels of a residual codec's, on the one level of others.
std::int64_t MatrixBytes(const Codec& codec, int levels, const LinearSize& size) {
  std::int64_t bytes = 0;
  for (int level = 0; level < levels; ++level) {
    bytes += static_cast<std::int64_t>(*LevelBytes(codec, {size.outputs, size.inputs}, level));
  }
  return bytes;
}

// One band of random numbers, in all levels: the kernels' speed does not depend on them.
std::vector<std::vector<std::byte>> RandomBand(const Codec& codec, std::int64_t inputs) {
  if (IsBlockCodec(codec)) {
    std::mt19937_64 random(1);
    return {RandomPacked(BlockCodecOf(codec), codec.row_unit, inputs, random)};
  }
  std::vector<std::vector<std::byte>> band;
  std::vector<std::byte*> levels;
  for (int level = 0; level < codec.levels(); ++level) {
    levels.push_back(band.emplace_back(*LevelBytes(codec, {codec.row_unit, inputs}, level)).data());
  }
  const auto values = MakeRandom(codec.row_unit * inputs);
  if (codec.residual == nullptr) {
    codec.encode(values.get(), codec.row_unit, inputs, levels.front());
  } else {
    codec.residual->encode(values.get(), codec.row_unit, inputs, levels);
  }
  return band;
}

void FillWithCopies(std::span<const std::byte> pattern, std::byte* begin, std::byte* end) {
  while (begin < end) {
    begin = std::copy_n(pattern.begin(), std::min(std::ssize(pattern), end - begin), begin);
  }
}

// The levels of one matrix after the other, from `packed` on; the bands are copies of one.
std::vector<const std::byte*> FillMatrix(const Codec& codec, int levels, const LinearSize& size,
                                         const std::vector<std::vector<std::byte>>& band,
                                         std::byte* packed) {
  std::vector<const std::byte*> begins;
  for (int level = 0; level < levels; ++level) {
    begins.push_back(packed);
    const Residual* residual = codec.residual;
    const auto header = [&](std::int64_t rows) {
      return residual == nullptr ? 0 : residual->header_bytes(level, rows, size.inputs);
    };
    const std::span<const std::byte> one = band[static_cast<std::size_t>(level)];
    std::byte* const bands = packed + header(size.outputs);
    std::byte* const end = packed + *LevelBytes(codec, {size.outputs, size.inputs}, level);
    FillWithCopies(one.first(header(codec.row_unit)), packed, bands);
    FillWithCopies(one.subspan(header(codec.row_unit)), bands, end);
    packed = end;
  }
  return begins;
}

std::function<void()> PrepareLinear(const Codec& codec, int levels, LinearFn fn,
                                    const LinearSize& size) {
  const std::int64_t bytes = MatrixBytes(codec, levels, size);
  const std::int64_t matrices = size.cold ? kColdBytes / bytes : 1;
  const std::vector<std::vector<std::byte>> band = RandomBand(codec, size.inputs);
  const auto weights = MakeAligned<std::byte>(matrices * bytes);
  std::vector<std::vector<const std::byte*>> begins;
  for (std::int64_t matrix = 0; matrix < matrices; ++matrix) {
    begins.push_back(FillMatrix(codec, levels, size, band, weights.get() + matrix * bytes));
  }
  const auto x = MakeRandom(size.rows * size.inputs);
  const QuantizedShape shape = ShapeOfQuantized(size.rows, size.inputs);
  const auto q = MakeAligned<std::int8_t>(shape.q_count);
  const auto scale = MakeAligned<float>(shape.scale_count);
  const auto sum = MakeAligned<std::int32_t>(shape.scale_count);
  const QuantizedRows quantized = {q.get(), scale.get(), sum.get(), shape.stride_groups,
                                   shape.stride_rows};
  QuantizeRowsForms()[0].fn(x.get(), size.inputs, size.rows, size.inputs, quantized);
  const SplitShape split_shape = ShapeOfSplit(size.rows, size.inputs);
  const auto pairs = MakeAligned<std::uint32_t>(split_shape.pair_count);
  const SplitRows split = {pairs.get(), split_shape.blocks, split_shape.tile_rows, 0};
  SplitRowsForms()[0].fn(x.get(), size.inputs, size.rows, size.inputs, 0, split_shape.tiles, split);
  const auto y = MakeAligned<float>(size.rows * size.outputs);
  const LinearArgs args = {.band_stride = band.front().size(),
                           .level_count = levels,
                           .stored_rows = size.outputs,
                           .stored_columns = size.inputs,
                           .inputs = size.inputs,
                           .output_begin = 0,
                           .output_end = size.outputs,
                           .rows = size.rows,
                           .x = x.get(),
                           .x_stride = size.inputs,
                           .x_quantized = quantized,
                           .x_split = split,
                           .y = y.get(),
                           .y_stride = size.outputs};
  return [=, held = std::tuple(weights, x, q, scale, sum, pairs, y),
          matrix = std::int64_t{0}]() mutable {
    LinearArgs next = args;
    next.levels = begins[static_cast<std::size_t>(matrix)].data();
    next.weights = next.levels[0];
    fn(next);
    matrix = (matrix + 1) % matrices;
  };
}

}  // namespace

std::vector<KernelCase> LinearCases() {
  std::vector<KernelCase> cases;
  for (const LinearKernel& kernel : LinearKernels()) {
    const Codec& codec = **FindCodec(kernel.codec);
    for (const int levels : codec.levels() == 1 ? std::vector{1} : std::vector{1, 2, 3, 7}) {
      for (const LinearSize& size : kLinearSizes) {
        for (const LinearForm& form : kernel.forms) {
          if (form.isa == Isa::kReference && size.rows > 1) {
            continue;  // seconds for a call
          }
          cases.push_back(
              {.kernel = "linear/" + std::string(kernel.codec),
               .size = codec.levels() == 1
                           ? size.name
                           : size.name + (" x " + std::to_string(levels) + " levels"),
               .isa = form.isa,
               .bytes = static_cast<double>(MatrixBytes(codec, levels, size)),
               .operations = 2.0 * static_cast<double>(size.rows * size.inputs * size.outputs),
               .arithmetic =
                   kernel.activations == Activations::kF32 ? Arithmetic::kF32 : Arithmetic::kInt8,
               .cold = size.cold,
               .prepare = [&codec, levels, fn = form.fn, &size] {
                 return PrepareLinear(codec, levels, fn, size);
               }});
        }
      }
    }
  }
  return cases;
}

}  // namespace ashlar
