// What quantizers promise: nested levels, an error that is what they say and less than plain
// rounding's, the same bytes for any number of threads.
#include "ashlar/calibrate/quantize/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/test_floats.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/codec/bitplane/bitplane.h"
#include "ashlar/codec/bitstack/bitstack.h"
#include "ashlar/codec/codec.h"
#include "ashlar/formats/safetensors.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar {
namespace {

struct QuantizedLevels {
  std::vector<std::vector<std::byte>> levels;
  std::vector<std::vector<double>> errors;
};

// A matrix, and inputs that are mixtures of fewer sources than there are inputs, as a network's
// are: 3 of them are large, one is always zero.
struct QuantizerCase {
  std::int64_t rows;
  std::int64_t columns;
  std::vector<float> values;
  std::vector<float> moments;
  std::vector<float> outputs;
};

QuantizerCase MakeQuantizerCase(std::int64_t rows, std::int64_t columns) {
  QuantizerCase made{rows, columns, {}, {}, {}};
  TestFloats floats(TestSeed());
  const auto count = static_cast<std::size_t>(columns);
  made.values.resize(static_cast<std::size_t>(rows) * count);
  for (float& value : made.values) {
    value = floats.Next(0, 1);
  }
  made.values[5] = 9;  // an outlier
  for (std::int64_t n = 0; n < rows; ++n) {
    made.outputs.push_back(1 + static_cast<float>(n % 3));
  }
  const std::size_t sources = count / 2;
  std::vector<float> mixture(count * sources);
  for (float& share : mixture) {
    share = floats.Next(0, 1);
  }
  made.moments.assign(count * count, 0.0f);
  for (std::size_t i = 0; i < count; ++i) {
    const float size_i = i < 3 ? 5.0f : i == 7 ? 0.0f : 1.0f;
    for (std::size_t j = 0; j < count; ++j) {
      const float size_j = j < 3 ? 5.0f : j == 7 ? 0.0f : 1.0f;
      float sum = i == j ? 2.0f : 0.0f;
      for (std::size_t s = 0; s < sources; ++s) {
        sum += mixture[i * sources + s] * mixture[j * sources + s];
      }
      made.moments[i * count + j] = sum * size_i * size_j;
    }
  }
  return made;
}

QuantizedLevels QuantizeCase(const Codec& codec, const QuantizerCase& made,
                             const InputStatistics& statistics, int levels, int threads = 1) {
  QuantizedLevels result;
  std::vector<std::byte*> out;
  for (int level = 0; level < levels; ++level) {
    result.levels.emplace_back(*LevelBytes(codec, {made.rows, made.columns}, level),
                               std::byte{0xa5});
    out.push_back(result.levels.back().data());
  }
  ThreadPool pool(threads);
  result.errors =
      Quantize(codec, made.values.data(), made.rows, made.columns, statistics, out, pool).errors;
  return result;
}

// The sum over the rows of a band of weight * e H e^T, in plain loops.
double MeasuredError(const Codec& codec, const QuantizerCase& made,
                     const std::vector<std::vector<std::byte>>& levels, std::size_t count,
                     std::int64_t band) {
  std::vector<const std::byte*> prefix;
  for (std::size_t level = 0; level < count; ++level) {
    prefix.push_back(levels[level].data());
  }
  const std::int64_t first = band * codec.row_unit;
  const std::int64_t last = std::min(made.rows, first + codec.row_unit);
  std::vector<float> decoded(static_cast<std::size_t>((last - first) * made.columns));
  codec.residual->decode(prefix, made.rows, made.columns, first, last, decoded.data());
  double sum = 0;
  for (std::int64_t n = first; n < last; ++n) {
    std::vector<double> e;
    for (std::int64_t k = 0; k < made.columns; ++k) {
      e.push_back(static_cast<double>(made.values[static_cast<std::size_t>(n * made.columns + k)]) -
                  decoded[static_cast<std::size_t>((n - first) * made.columns + k)]);
    }
    for (std::size_t i = 0; i < e.size(); ++i) {
      for (std::size_t j = 0; j < e.size(); ++j) {
        sum += made.outputs[static_cast<std::size_t>(n)] * e[i] * e[j] *
               made.moments[i * e.size() + j];
      }
    }
  }
  return sum;
}

double SumOf(const std::vector<double>& errors) {
  double sum = 0;
  for (const double error : errors) {
    sum += error;
  }
  return sum;
}

class EveryQuantizer : public testing::TestWithParam<const Codec*> {};

TEST_P(EveryQuantizer, SaysTheErrorThatEveryPrefixHasAndLessensItFarBelowPlainRounding) {
  const Codec& codec = *GetParam();
  const QuantizerCase made = MakeQuantizerCase(70, 96);
  const QuantizedLevels quantized =
      QuantizeCase(codec, made, {.moments = made.moments, .outputs = made.outputs}, codec.levels());
  std::vector<std::vector<std::byte>> plain;
  std::vector<std::byte*> out;
  for (int level = 0; level < codec.levels(); ++level) {
    plain.emplace_back(*LevelBytes(codec, {made.rows, made.columns}, level));
    out.push_back(plain.back().data());
  }
  codec.residual->encode(made.values.data(), made.rows, made.columns, out);
  double before = INFINITY;
  for (std::size_t count = 1; count <= quantized.levels.size(); ++count) {
    double measured = 0;
    double of_plain = 0;
    for (std::int64_t band = 0; band < 3; ++band) {
      const double error = MeasuredError(codec, made, quantized.levels, count, band);
      // What it says has the damping's share on top, a hundredth of the mean second moment.
      const double said = quantized.errors[count - 1][static_cast<std::size_t>(band)];
      EXPECT_GT(said, 0.95 * error) << count << ' ' << band;
      EXPECT_LT(said, 1.5 * error) << count << ' ' << band;
      measured += error;
      of_plain += MeasuredError(codec, made, plain, count, band);
    }
    EXPECT_LT(measured, before) << count;
    if (count <= 4) {
      EXPECT_LT(measured, 0.8 * of_plain) << count;
    }
    before = measured;
  }
}

TEST_P(EveryQuantizer, WritesTheSameBytesForAnyNumberOfThreads) {
  const QuantizerCase made = MakeQuantizerCase(200, 64);
  const InputStatistics statistics{.moments = made.moments};
  const int levels = GetParam()->levels();
  const QuantizedLevels one = QuantizeCase(*GetParam(), made, statistics, levels, 1);
  const QuantizedLevels three = QuantizeCase(*GetParam(), made, statistics, levels, 3);
  EXPECT_EQ(one.levels, three.levels);
  EXPECT_EQ(one.errors, three.errors);
}

TEST_P(EveryQuantizer, WritesFewerLevelsThatAreAboutAsGoodWhenFewerAreWanted) {
  const QuantizerCase made = MakeQuantizerCase(33, 64);
  const InputStatistics statistics{.moments = made.moments};
  const QuantizedLevels all = QuantizeCase(*GetParam(), made, statistics, GetParam()->levels());
  for (const int levels : {1, 2, 4, 6}) {
    const QuantizedLevels some = QuantizeCase(*GetParam(), made, statistics, levels);
    ASSERT_EQ(some.levels.size(), static_cast<std::size_t>(levels));
    for (std::size_t level = 0; level < some.levels.size(); ++level) {
      EXPECT_LE(SumOf(some.errors[level]), 2.5 * SumOf(all.errors[level])) << levels << level;
    }
  }
}

TEST_P(EveryQuantizer, NeedsNoStatisticsAndKeepsMatricesOfZerosAndExtremes) {
  QuantizerCase made = MakeQuantizerCase(40, 64);
  std::fill(made.values.begin(), made.values.begin() + 64, 0.0f);
  std::fill(made.values.begin() + 64, made.values.begin() + 128, 3e38f);
  std::fill(made.values.begin() + 128, made.values.begin() + 192, 1e-38f);
  const std::vector<float> zeros(64 * 64, 0.0f);
  const std::vector<float> diagonal(64, 2.0f);
  for (const InputStatistics& statistics :
       {InputStatistics{}, {.diagonal = diagonal}, {.moments = zeros}}) {
    const QuantizedLevels quantized =
        QuantizeCase(*GetParam(), made, statistics, GetParam()->levels());
    std::vector<const std::byte*> prefix;
    for (std::size_t level = 0; level < quantized.levels.size(); ++level) {
      EXPECT_TRUE(
          GetParam()
              ->residual
              ->check(static_cast<int>(level), quantized.levels[level], made.rows, made.columns)
              .ok());
      prefix.push_back(quantized.levels[level].data());
      std::vector<float> decoded(made.values.size());
      GetParam()->residual->decode(prefix, made.rows, made.columns, 0, made.rows, decoded.data());
      for (std::size_t i = 0; i < decoded.size(); ++i) {
        ASSERT_TRUE(std::isfinite(decoded[i])) << i;
        if (i < 64) {
          ASSERT_EQ(decoded[i], 0.0f) << i;
        }
      }
    }
  }
}

// A difference of a thousandth of the base's size is what is left to encode, to the codec's error.
TEST_P(EveryQuantizer, EncodesADifferenceFromABaseAsAnyMatrix) {
  const QuantizerCase base = MakeQuantizerCase(40, 64);
  QuantizerCase difference = base;
  TestFloats floats(TestSeed() + 1);
  double power = 0;
  for (float& value : difference.values) {
    value = floats.Next(0, 1e-3f);
    power += static_cast<double>(value) * value;
  }
  const QuantizedLevels quantized = QuantizeCase(*GetParam(), difference, {}, GetParam()->levels());
  EXPECT_LT(std::sqrt(SumOf(quantized.errors.back()) / power), 2 * GetParam()->max_rms_error);
}

// A corner of a matrix of the demo network.
std::vector<float> RealWeights(std::int64_t rows, std::int64_t columns) {
  const SafetensorsFile file =
      *SafetensorsFile::Open(std::string(ASHLAR_SOURCE_DIR) + "/demo/model.safetensors");
  const SafetensorsEntry& entry = *file.Find("model.layers.3.mlp.up_proj.weight");
  CHECK(entry.dtype == "BF16" && entry.shape[0] >= rows && entry.shape[1] >= columns);
  std::vector<float> values;
  for (std::int64_t i = 0; i < rows * columns; ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, entry.bytes.data() + 2 * (i / columns * entry.shape[1] + i % columns), 2);
    values.push_back(BF16ToF32(bits));
  }
  return values;
}

TEST_P(EveryQuantizer, OnRealWeightsEachLevelLessensTheErrorByPlainRoundingToo) {
  QuantizerCase made = MakeQuantizerCase(40, 128);
  made.values = RealWeights(40, 128);
  made.outputs.assign(40, 1.0f);
  const Codec& codec = *GetParam();
  const auto expect_less = [&](const std::vector<std::vector<std::byte>>& levels) {
    double before = INFINITY;
    for (std::size_t count = 1; count <= levels.size(); ++count) {
      const double error = MeasuredError(codec, made, levels, count, 0) +
                           MeasuredError(codec, made, levels, count, 1);
      EXPECT_LT(error, 0.9 * before) << count;
      before = error;
    }
  };
  expect_less(QuantizeCase(codec, made, {.moments = made.moments}, codec.levels()).levels);
  made.moments = std::vector<float>(128 * 128);
  for (std::size_t i = 0; i < 128; ++i) {
    made.moments[i * 128 + i] = 1;
  }
  std::vector<std::vector<std::byte>> plain;
  std::vector<std::byte*> out;
  for (int level = 0; level < codec.levels(); ++level) {
    plain.emplace_back(*LevelBytes(codec, {40, 128}, level));
    out.push_back(plain.back().data());
  }
  codec.residual->encode(made.values.data(), 40, 128, out);
  expect_less(plain);
}

INSTANTIATE_TEST_SUITE_P(Codec, EveryQuantizer, testing::Values(&kBitplane, &kBitstack),
                         [](const auto& info) { return std::string(info.param->short_name); });

}  // namespace
}  // namespace ashlar
