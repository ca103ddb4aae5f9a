#include "tools/ashlar/decode_speed.h"

#include <algorithm>
#include <vector>

#include "ashlar/kernels/kernel_cases.h"
#include "ashlar/kernels/linear/linear.h"
#include "ashlar/kernels/peak/peak.h"
#include "ashlar/kernels/quantize_rows/quantize_rows.h"
#include "ashlar/kernels/split_rows/split_rows.h"
#include "tools/ashlar/step_cost.h"

namespace ashlar::cli {
namespace {

// Small enough for a second-level cache in any codec.
constexpr std::int64_t kOutputs = 256;
constexpr std::int64_t kInputs = 1024;

// The best of several rounds of some calls.
double SecondsOf(LinearFn fn, const LinearArgs& args) {
  constexpr int kRounds = 7;
  constexpr int kCalls = 20;
  double best = 1;
  for (int round = 0; round < kRounds; ++round) {
    const double start = ThreadSeconds();
    for (int call = 0; call < kCalls; ++call) {
      fn(args);
    }
    best = std::min(best, (ThreadSeconds() - start) / kCalls);
  }
  return best;
}

}  // namespace

DecodeSpeed::DecodeSpeed(Isa isa, int threads)
    : isa_(isa), threads_(threads), read_rate_(ReadBytesPerSecond(threads)) {}

double DecodeSpeed::SecondsPerWeight(const Codec& codec, int levels) {
  const auto [known, is_new] = seconds_per_weight_.try_emplace({&codec, levels}, 0);
  const Result<Linear> linear = FindLinear(codec, isa_);
  if (!is_new || !linear.ok()) {
    return known->second;
  }
  // Zeros: no kernel's time depends on the numbers.
  std::vector<std::shared_ptr<std::byte[]>> packed;
  std::vector<const std::byte*> begins;
  for (int level = 0; level < levels; ++level) {
    const std::uint64_t bytes = *LevelBytes(codec, {kOutputs, kInputs}, level);
    packed.push_back(MakeAligned<std::byte>(static_cast<std::int64_t>(bytes)));
    std::fill_n(packed.back().get(), bytes, std::byte{0});
    begins.push_back(packed.back().get());
  }
  const auto x = MakeAligned<float>(kInputs);
  std::fill_n(x.get(), kInputs, 0.0f);
  const QuantizedShape shape = ShapeOfQuantized(1, kInputs);
  const auto q = MakeAligned<std::int8_t>(shape.q_count);
  const auto scale = MakeAligned<float>(shape.scale_count);
  const auto sum = MakeAligned<std::int32_t>(shape.scale_count);
  const QuantizedRows quantized = {q.get(), scale.get(), sum.get(), shape.stride_groups,
                                   shape.stride_rows};
  QuantizeRowsForms()[0].fn(x.get(), kInputs, 1, kInputs, quantized);
  const SplitShape split_shape = ShapeOfSplit(1, kInputs);
  const auto pairs = MakeAligned<std::uint32_t>(split_shape.pair_count);
  std::fill_n(pairs.get(), split_shape.pair_count, 0u);
  const auto y = MakeAligned<float>(kOutputs);
  known->second =
      SecondsOf(linear->fn, {.weights = begins.front(),
                             .band_stride = codec.residual ? 0 : codec.band_bytes(kInputs),
                             .levels = begins.data(),
                             .level_count = levels,
                             .stored_rows = kOutputs,
                             .stored_columns = kInputs,
                             .inputs = kInputs,
                             .output_begin = 0,
                             .output_end = kOutputs,
                             .rows = 1,
                             .x = x.get(),
                             .x_stride = kInputs,
                             .x_quantized = quantized,
                             .x_split = {.pairs = pairs.get(),
                                         .blocks = split_shape.blocks,
                                         .tile_rows = split_shape.tile_rows,
                                         .first = 0},
                             .y = y.get(),
                             .y_stride = kOutputs}) /
      static_cast<double>(kOutputs * kInputs);
  return known->second;
}

double DecodeSpeed::ComputeSeconds(const TensorManifest& tensor, const Precision& precision) {
  if (tensor.shape.rank() != 2) {
    return 0;
  }
  double seconds = tensor.base == nullptr ? 0 : ComputeSeconds(*tensor.base, precision);
  std::int64_t begin = 0;
  for (const RowLevels& range : PrecisionOf(tensor, precision)) {
    seconds += SecondsPerWeight(*tensor.codec, range.levels) *
               static_cast<double>((range.row_end - begin) * tensor.shape[1]);
    begin = range.row_end;
  }
  return seconds;
}

double DecodeSpeed::TokensPerSecond(const Network& network, const Precision& precision) {
  double seconds = 0;
  VisitReads(network, /*batch=*/1, [&](const TensorManifest& tensor, double share) {
    const double compute = ComputeSeconds(tensor, precision) / threads_;
    seconds += share * std::max(compute, ResidentBytesOf(tensor, precision) / read_rate_);
  });
  return 1 / seconds;
}

}  // namespace ashlar::cli
