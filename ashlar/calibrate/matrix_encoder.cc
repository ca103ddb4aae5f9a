#include "ashlar/calibrate/matrix_encoder.h"

#include <algorithm>
#include <cmath>

#include "ashlar/calibrate/quantize/quantize.h"
#include "ashlar/graph/stored_tensor.h"

namespace ashlar {
namespace {

// An embedding that is a head too is also read as it is, where all inputs count alike: as if its
// inputs had so much more of their mean square each.
constexpr float kLookupShare = 4;

// The share of each row in all lookups; empty when there were none.
std::vector<float> ShareOfRows(const MatrixUse& use, std::int64_t rows) {
  std::vector<float> shares;
  double total = 0;
  for (const auto& [row, count] : use.lookups) {
    total += static_cast<double>(count);
  }
  if (total > 0) {
    shares.resize(static_cast<std::size_t>(rows));
  }
  for (const auto& [row, count] : use.lookups) {
    shares[static_cast<std::size_t>(row)] = static_cast<float>(static_cast<double>(count) / total);
  }
  return shares;
}

// How much each row's error weighs: how often it is looked up, and how likely its token is; half of
// it evenly, since the calibration has not seen all. Empty: all alike.
std::vector<float> RowWeights(std::span<const float> looked_up, std::span<const float> likely,
                              std::int64_t rows) {
  const int kinds = (looked_up.empty() ? 0 : 1) + (likely.empty() ? 0 : 1);
  std::vector<float> weights;
  for (std::size_t row = 0; kinds > 0 && row < static_cast<std::size_t>(rows); ++row) {
    const double share = (looked_up.empty() ? 0.0 : static_cast<double>(looked_up[row])) +
                         (likely.empty() ? 0.0 : static_cast<double>(likely[row]));
    weights.push_back(static_cast<float>(0.5 + 0.5 * static_cast<double>(rows) * share / kinds));
  }
  return weights;
}

std::vector<float> WithLookups(const Moments& moments) {
  std::vector<float> sums = moments.sums;
  double mean = 0;
  for (const float square : moments.Diagonal()) {
    mean += square / static_cast<double>(moments.width);
  }
  for (std::int64_t i = 0; i < moments.width; ++i) {
    sums[static_cast<std::size_t>(i * moments.width + i)] +=
        kLookupShare * static_cast<float>(mean);
  }
  return sums;
}

Status CheckFinite(std::span<const float> values, std::int64_t columns) {
  const auto bad = std::ranges::find_if_not(values, [](float v) { return std::isfinite(v); });
  if (bad == values.end()) {
    return {};
  }
  const std::int64_t index = bad - values.begin();
  return Invalid("row {}, column {} is {}: only finite numbers can be encoded", index / columns,
                 index % columns, *bad);
}

Status CheckFinite(const Moments& moments) {
  const std::vector<float> diagonal = moments.Diagonal();
  const auto bad = std::ranges::find_if_not(diagonal, [](float v) { return std::isfinite(v); });
  if (bad != diagonal.end()) {
    return Invalid(
        "the network reads the calibration with numbers that overflow: the mean square of "
        "input {} is {}",
        bad - diagonal.begin(), *bad);
  }
  return {};
}

}  // namespace

Result<std::vector<float>> ReadMatrix(const BlobStore& store, const TensorManifest& tensor,
                                      ThreadPool& pool) {
  ASHLAR_TRY(const StoredTensor stored, StoredTensor::Open(store, tensor));
  std::vector<float> values(static_cast<std::size_t>(tensor.shape.elements()));
  constexpr std::int64_t kRowsAtOnce = 32;
  pool.ParallelFor(tensor.shape[0], kRowsAtOnce, [&](std::int64_t begin, std::int64_t end, int) {
    stored.Decode(begin, end, values.data() + begin * tensor.shape[1]);
  });
  ASHLAR_TRY(stored.CheckWhole());
  return values;
}

int LevelsWithin(const Codec& codec, const Shape& shape, int max_bits) {
  const auto weights = static_cast<double>(shape[1]) * codec.row_unit;
  int levels = 0;
  long bits = 0;
  while (levels < codec.levels()) {
    bits += std::lround(8 * static_cast<double>(codec.residual->band_bytes(levels, shape[1])) /
                        weights);
    if (levels > 0 && bits > max_bits) {
      break;
    }
    ++levels;
  }
  return levels;
}

Result<TensorStatistics> EncodeMatrix(BlobStore& store, const Codec& codec, const Shape& shape,
                                      int levels, std::span<const float> values,
                                      const MatrixUse& use, ThreadPool& pool, Phases& phases) {
  ASHLAR_TRY(CheckFinite(values, shape[1]));
  if (use.moments != nullptr) {
    ASHLAR_TRY(CheckFinite(*use.moments));
  }
  TensorStatistics made{.tensor = {.shape = shape, .codec = &codec}};
  std::vector<std::vector<std::byte>> packed(static_cast<std::size_t>(levels));
  std::vector<std::byte*> out;
  for (int level = 0; level < levels; ++level) {
    ASHLAR_TRY(const std::uint64_t bytes, LevelBytes(codec, shape, level));
    packed[static_cast<std::size_t>(level)].resize(bytes);
    out.push_back(packed[static_cast<std::size_t>(level)].data());
  }
  const std::vector<float> looked_up = ShareOfRows(use, shape[0]);
  const std::vector<float> outputs = RowWeights(looked_up, use.likely, shape[0]);
  std::vector<float> with_lookups;
  InputStatistics inputs{.outputs = outputs};
  if (use.moments != nullptr) {
    inputs.moments = use.moments->sums;
    if (!looked_up.empty()) {
      with_lookups = WithLookups(*use.moments);
      inputs.moments = with_lookups;
    }
  }
  const Quantized quantized = phases.Run("encoding", [&] {
    return Quantize(codec, values.data(), shape[0], shape[1], inputs, out, pool);
  });

  std::vector<float> bands;
  for (const std::vector<double>& of_level : quantized.errors) {
    bands.insert(bands.end(), of_level.begin(), of_level.end());
  }
  const auto put = [&](std::span<const std::byte> bytes) {
    return phases.Run("storing", [&] { return store.Put(bytes); });
  };
  ASHLAR_TRY(made.tensor.levels, phases.Run("storing", [&] { return PutLevels(store, packed); }));
  ASHLAR_TRY(made.bands, put(std::as_bytes(std::span(bands))));
  if (use.moments != nullptr) {
    made.rows = use.moments->rows;
    const std::vector<float> diagonal = use.moments->Diagonal();
    ASHLAR_TRY(made.inputs, put(std::as_bytes(std::span(diagonal))));
  }
  if (!looked_up.empty()) {
    std::int64_t total = 0;
    for (const auto& [row, count] : use.lookups) {
      total += count;
    }
    made.rows = std::max(made.rows, total);
    ASHLAR_TRY(made.lookups, put(std::as_bytes(std::span(looked_up))));
  }
  return made;
}

Result<std::vector<double>> ErrorsOf(const BlobStore& store, const TensorStatistics& statistics) {
  const TensorManifest& tensor = statistics.tensor;
  const std::int64_t unit = tensor.codec->row_unit;
  const std::int64_t count = (tensor.shape[0] + unit - 1) / unit;
  ASHLAR_TRY(const std::vector<float> bands,
             LoadVector(store, statistics.bands, std::ssize(tensor.levels) * count));
  std::vector<double> errors(tensor.levels.size());
  for (std::size_t i = 0; i < bands.size(); ++i) {
    errors[i / static_cast<std::size_t>(count)] += bands[i];
  }
  return errors;
}

}  // namespace ashlar
