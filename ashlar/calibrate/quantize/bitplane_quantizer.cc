#include <algorithm>
#include <vector>

#include "ashlar/calibrate/quantize/bitplane_tile.h"
#include "ashlar/calibrate/quantize/input_metric.h"
#include "ashlar/calibrate/quantize/quantizers.h"
#include "ashlar/codec/bitplane/bitplane.h"
#include "ashlar/codec/bitplane/layout.h"

namespace ashlar::internal {
namespace {

constexpr std::int64_t kWidest = 2048;  // of those that are descended on

// What is spent on a matrix, by how wide it is: a round of coordinate descent costs columns^2 for
// each output, twice what Round costs, and a fit of the factors as much as that.
struct Effort {
  int rounds;       // of descent
  bool fits_first;  // whether the factors are fitted before each
};
Effort EffortFor(const InputMetric& metric) {
  const std::int64_t columns = metric.columns();
  if (!metric.correlated() || columns > kWidest) {
    return {0, false};
  }
  return columns <= 1024 ? Effort{3, true} : Effort{1, columns <= 1536};
}

}  // namespace

void QuantizeBitplane(const float* values, std::int64_t rows, std::int64_t columns,
                      const InputStatistics& statistics, std::span<std::byte* const> out,
                      ThreadPool& threads, Quantized& quantized) {
  const int levels = static_cast<int>(out.size());
  const InputMetric metric(statistics, columns, columns <= kWidest, threads);
  const Effort effort = EffortFor(metric);
  ClearBitplanes(rows, columns, out);
  const std::int64_t tiles = (rows - 1) / kLanes + 1;
  threads.ParallelFor(tiles, 1, [&](std::int64_t begin, std::int64_t end, int) {
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(columns));
    std::vector<std::uint8_t> scales(static_cast<std::size_t>(columns / BitplaneLayout::kInputs));
    std::vector<float> factors(out.size());
    for (std::int64_t index = begin; index < end; ++index) {
      const std::int64_t first = index * kLanes;
      BitplaneTile tile(metric, values, rows, first, levels);
      tile.ChooseScales();
      tile.Round();
      for (int round = 0; round < effort.rounds; ++round) {
        if (effort.fits_first) {
          tile.FitFactors(BitplaneTile::Which::kPrefixes);
        }
        tile.Descend();
      }
      tile.FitFactors(BitplaneTile::Which::kLevels);
      for (int lane = 0; lane < tile.lanes(); ++lane) {
        const std::int64_t row = first + lane;
        tile.GetOutput(lane, codes, scales, factors);
        PutBitplaneRow({codes, scales, factors}, rows, columns, row, out);
        const double weight =
            statistics.outputs.empty() ? 1 : statistics.outputs[static_cast<std::size_t>(row)];
        for (int level = 0; level < levels; ++level) {
          quantized.errors[static_cast<std::size_t>(level)]
                          [static_cast<std::size_t>(row / BitplaneLayout::kOutputs)] +=
              weight * tile.ErrorOf(level, lane);
        }
      }
    }
  });
}

}  // namespace ashlar::internal
