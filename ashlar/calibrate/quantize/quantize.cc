#include "ashlar/calibrate/quantize/quantize.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "ashlar/base/check.h"
#include "ashlar/calibrate/quantize/quantizers.h"
#include "ashlar/codec/bitplane/bitplane.h"
#include "ashlar/codec/bitstack/bitstack.h"

namespace ashlar {
namespace {

struct Quantizer {
  const Codec* codec;
  void (*quantize)(const float* values, std::int64_t rows, std::int64_t columns,
                   const InputStatistics& statistics, std::span<std::byte* const> out,
                   ThreadPool& threads, Quantized& quantized);
};

constexpr Quantizer kQuantizers[] = {
    {&kBitplane, internal::QuantizeBitplane},
    {&kBitstack, internal::QuantizeBitstack},
};

}  // namespace

Quantized Quantize(const Codec& codec, const float* values, std::int64_t rows, std::int64_t columns,
                   const InputStatistics& statistics, std::span<std::byte* const> out,
                   ThreadPool& threads) {
  CHECK(codec.residual != nullptr);
  CHECK(!out.empty() && static_cast<int>(out.size()) <= codec.levels());
  CHECK(statistics.outputs.empty() || static_cast<std::int64_t>(statistics.outputs.size()) == rows);
  const auto bands = static_cast<std::size_t>((rows - 1) / codec.row_unit + 1);
  Quantized quantized{{out.size(), std::vector<double>(bands)}};
  const auto* const quantizer = std::ranges::find(kQuantizers, &codec, &Quantizer::codec);
  CHECK(quantizer != std::end(kQuantizers));
  quantizer->quantize(values, rows, columns, statistics, out, threads, quantized);
  return quantized;
}

}  // namespace ashlar
