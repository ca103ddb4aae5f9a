// What every residual codec promises, held over AllCodecs(): any prefix of levels is the matrix
// again, closer the longer it is; levels and bands lie where the codec says.
#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/test_floats.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/codec/codec.h"

namespace ashlar {
namespace {

constexpr std::byte kLevelGuard{0xa5};
constexpr std::size_t kLevelGuardBytes = 64;

using Levels = std::vector<std::vector<std::byte>>;

class EveryResidualCodec : public testing::TestWithParam<const Codec*> {
 protected:
  const Codec& codec() const { return *GetParam(); }
  const Residual& residual() const { return *GetParam()->residual; }

  // As weights of a network are: outputs and inputs of differing sizes, and outliers.
  std::vector<float> Weights(std::int64_t rows, std::int64_t columns) {
    std::normal_distribution<float> normal;
    std::vector<float> input_sizes(static_cast<std::size_t>(columns));
    for (float& size : input_sizes) {
      size = 0.02f * std::exp(0.5f * normal(random_));
    }
    std::vector<float> values;
    for (std::int64_t n = 0; n < rows; ++n) {
      const float output_size = std::exp(0.3f * normal(random_));
      for (const float size : input_sizes) {
        values.push_back(size * output_size * normal(random_) * (random_() % 200 == 0 ? 6 : 1));
      }
    }
    return values;
  }
  // Encodes over garbage, with a guard behind each level that must survive.
  Levels Encode(const std::vector<float>& values, std::int64_t rows, std::int64_t columns) const {
    Levels levels;
    std::vector<std::byte*> out;
    for (int level = 0; level < codec().levels(); ++level) {
      levels.emplace_back(*LevelBytes(codec(), {rows, columns}, level) + kLevelGuardBytes,
                          kLevelGuard);
    }
    for (std::vector<std::byte>& level : levels) {
      out.push_back(level.data());
    }
    residual().encode(values.data(), rows, columns, out);
    for (std::vector<std::byte>& level : levels) {
      for (std::size_t i = level.size() - kLevelGuardBytes; i < level.size(); ++i) {
        EXPECT_EQ(level[i], kLevelGuard) << "encode wrote past a level's end";
      }
      level.resize(level.size() - kLevelGuardBytes);
    }
    return levels;
  }
  std::vector<float> Decode(const Levels& levels, std::size_t count, std::int64_t rows,
                            std::int64_t columns, std::int64_t begin, std::int64_t end) const {
    std::vector<const std::byte*> prefix;
    for (std::size_t level = 0; level < count; ++level) {
      prefix.push_back(levels[level].data());
    }
    std::vector<float> values(static_cast<std::size_t>((end - begin) * columns) + 1, -7.0f);
    residual().decode(prefix, rows, columns, begin, end, values.data());
    EXPECT_EQ(values.back(), -7.0f) << "decode wrote past the end";
    values.pop_back();
    return values;
  }

  std::mt19937_64 random_{TestSeed()};
};

TEST_P(EveryResidualCodec, DecodesAnyPrefixCloserThanTheOneBefore) {
  const std::int64_t rows = 70;
  const std::int64_t columns = 160;
  const std::vector<float> values = Weights(rows, columns);
  const Levels levels = Encode(values, rows, columns);
  double before = 0.7;  // of the first level
  for (std::size_t count = 1; count <= levels.size(); ++count) {
    const double error = RelativeError(values, Decode(levels, count, rows, columns, 0, rows));
    EXPECT_LT(error, 0.95 * before) << count;
    before = error;
  }
}

TEST_P(EveryResidualCodec, KeepsNormalNumbersWithinItsDeclaredErrorWhenAllLevelsAreThere) {
  std::normal_distribution<float> normal;
  std::vector<float> values(100 * 320);
  for (float& value : values) {
    value = normal(random_);
  }
  const Levels levels = Encode(values, 100, 320);
  const double error = RelativeError(values, Decode(levels, levels.size(), 100, 320, 0, 100));
  EXPECT_LE(error, codec().max_rms_error);
  EXPECT_GE(error, codec().max_rms_error / 2) << "the declared error is no estimate";
}

TEST_P(EveryResidualCodec, DecodesAnyRangeOfRowsOfAnyPrefixToThoseRowsOfTheWhole) {
  const std::int64_t rows = 75;
  const std::int64_t columns = 64;
  const Levels levels = Encode(Weights(rows, columns), rows, columns);
  for (const std::size_t count : {std::size_t{1}, std::size_t{3}, levels.size()}) {
    const std::vector<float> whole = Decode(levels, count, rows, columns, 0, rows);
    for (const auto& [begin, end] :
         {std::pair{0, 1}, {0, 75}, {31, 33}, {32, 64}, {74, 75}, {5, 5}}) {
      EXPECT_EQ(Decode(levels, count, rows, columns, begin, end),
                std::vector<float>(whole.begin() + begin * columns, whole.begin() + end * columns));
    }
  }
}

TEST_P(EveryResidualCodec, ReadsARowFromItsBandAndTheHeadersAlone) {
  const std::int64_t rows = 3 * codec().row_unit;
  const std::int64_t columns = 64;
  const Levels levels = Encode(Weights(rows, columns), rows, columns);
  const std::int64_t first = codec().row_unit;
  Levels part;
  for (int level = 0; level < codec().levels(); ++level) {
    const std::vector<std::byte>& whole = levels[static_cast<std::size_t>(level)];
    const std::uint64_t header = residual().header_bytes(level, rows, columns);
    const std::uint64_t band = residual().band_bytes(level, columns);
    EXPECT_EQ(header % 64, 0u) << level;
    EXPECT_EQ(band % 64, 0u) << level;
    ASSERT_EQ(whole.size(), header + 3 * band) << level;
    // The second band and the header stay; all else is garbage that may not be looked at.
    part.emplace_back(whole.size(), std::byte{0xff});
    std::copy_n(whole.begin(), header, part.back().begin());
    const auto at = static_cast<std::ptrdiff_t>(header + band);
    std::copy_n(whole.begin() + at, band, part.back().begin() + at);
  }
  EXPECT_EQ(Decode(part, part.size(), rows, columns, first, 2 * first),
            Decode(levels, levels.size(), rows, columns, first, 2 * first));
}

TEST_P(EveryResidualCodec, EncodesTheSameNumbersToTheSameBytes) {
  const std::vector<float> values = Weights(33, 64);
  EXPECT_EQ(Encode(values, 33, 64), Encode(values, 33, 64));
}

TEST_P(EveryResidualCodec, KeepsZerosAndSurvivesTheLargestAndTheSmallestNumbers) {
  const float largest = std::numeric_limits<float>::max();
  const float smallest = std::numeric_limits<float>::denorm_min();
  for (const float value : {0.0f, -0.0f, largest, smallest, 1e-38f, 1e-30f}) {
    std::vector<float> values(2 * 64, value);
    values[3] = -value;
    const Levels levels = Encode(values, 2, 64);
    for (std::size_t count = 1; count <= levels.size(); ++count) {
      EXPECT_TRUE(residual().check(static_cast<int>(count) - 1, levels[count - 1], 2, 64).ok());
      for (const float decoded : Decode(levels, count, 2, 64, 0, 2)) {
        ASSERT_TRUE(std::isfinite(decoded)) << value;
        ASSERT_LE(std::fabs(decoded), std::fabs(value) * 2) << value;
      }
    }
  }
}

TEST_P(EveryResidualCodec, AcceptsWhatItEncodedAndDecodesOrRefusesRandomBytes) {
  const std::int64_t rows = codec().row_unit + 3;
  Levels levels = Encode(Weights(rows, 64), rows, 64);
  for (int level = 0; level < codec().levels(); ++level) {
    EXPECT_TRUE(residual().check(level, levels[static_cast<std::size_t>(level)], rows, 64).ok());
  }
  for (int round = 0; round < 20; ++round) {
    bool accepted = true;
    for (int level = 0; level < codec().levels(); ++level) {
      std::vector<std::byte>& packed = levels[static_cast<std::size_t>(level)];
      for (std::byte& byte : packed) {
        byte = static_cast<std::byte>(random_());
      }
      accepted = residual().check(level, packed, rows, 64).ok() && accepted;
    }
    for (const float value : Decode(levels, levels.size(), rows, 64, 0, rows)) {
      ASSERT_TRUE(!accepted || std::isfinite(value));
    }
  }
}

// The levels of the first bits: what is encoded from a base's difference adds up to the matrix.
TEST_P(EveryResidualCodec, HoldsADifferenceThatAddsUpWithItsBaseToTheMatrix) {
  const std::vector<float> matrix = Weights(40, 64);
  std::vector<float> base = matrix;
  std::normal_distribution<float> normal(0, 1e-3f);
  for (float& value : base) {
    value += normal(random_);
  }
  std::vector<float> difference(matrix.size());
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    difference[i] = matrix[i] - base[i];
  }
  const Levels levels = Encode(difference, 40, 64);
  std::vector<float> sum = Decode(levels, levels.size(), 40, 64, 0, 40);
  for (std::size_t i = 0; i < sum.size(); ++i) {
    sum[i] += base[i];
  }
  EXPECT_LT(RelativeError(matrix, sum), 1.5 * codec().max_rms_error * RelativeError(matrix, base));
}

std::vector<const Codec*> ResidualCodecs() {
  std::vector<const Codec*> codecs(AllCodecs().begin(), AllCodecs().end());
  std::erase_if(codecs, [](const Codec* codec) { return codec->residual == nullptr; });
  return codecs;
}

INSTANTIATE_TEST_SUITE_P(Codec, EveryResidualCodec, testing::ValuesIn(ResidualCodecs()),
                         [](const auto& info) { return std::string(info.param->short_name); });

}  // namespace
}  // namespace ashlar
