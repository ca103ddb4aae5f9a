#include <algorithm>
#include <vector>

#include "ashlar/calibrate/quantize/bitplane_tile.h"
#include "ashlar/calibrate/quantize/input_metric.h"
#include "ashlar/calibrate/quantize/quantizers.h"
#include "ashlar/codec/bitplane/bitplane.h"
#include "ashlar/codec/bitplane/layout.h"

namespace ashlar::internal {
namespace {

// Rounds of descent on a matrix, by how wide it is: one costs columns^2 for each output, twice what
// Round costs, and the fit after it as much again. Wider ones are those of networks so large that a
// round would take longer than all else.
constexpr std::int64_t kWidest = 1536;
int RoundsFor(const InputMetric& metric) {
  if (!metric.correlated() || metric.columns() > kWidest) {
    return 0;
  }
  return metric.columns() <= 1024 ? 3 : 1;
}

}  // namespace

void QuantizeBitplane(const float* values, std::int64_t rows, std::int64_t columns,
                      const InputStatistics& statistics, std::span<std::byte* const> out,
                      ThreadPool& threads, Quantized& quantized) {
  const int levels = static_cast<int>(out.size());
  const InputMetric metric(statistics, columns, columns <= kWidest, threads);
  const int rounds = RoundsFor(metric);
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
      for (int round = 0; round < rounds; ++round) {
        tile.FitFactors(BitplaneTile::Which::kPrefixes);
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
