#include "ashlar/codec/bitplane/bitplane.h"

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"

namespace ashlar {
namespace {

TEST(Bitplane, EveryPlaneHalvesTheErrorOfThePlanesBeforeIt) {
  std::mt19937_64 random(TestSeed());
  std::normal_distribution<float> normal;
  const std::int64_t rows = 70;
  const std::int64_t columns = 320;
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  for (float& value : values) {
    value = normal(random);
  }
  std::vector<std::vector<std::byte>> levels;
  std::vector<std::byte*> out;
  for (int level = 0; level < kBitplane.levels(); ++level) {
    levels.emplace_back(*LevelBytes(kBitplane, {rows, columns}, level));
    out.push_back(levels.back().data());
  }
  kBitplane.residual->encode(values.data(), rows, columns, out);
  double expected = 0.36;  // of two planes
  for (int count = 1; count <= kBitplane.levels(); ++count) {
    const std::vector<const std::byte*> prefix(out.begin(), out.begin() + count);
    std::vector<float> decoded(values.size());
    kBitplane.residual->decode(prefix, rows, columns, 0, rows, decoded.data());
    double error = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      error += std::pow(values[i] - decoded[i], 2);
    }
    error = std::sqrt(error / static_cast<double>(values.size()));
    EXPECT_NEAR(error, expected, 0.15 * expected) << count;
    expected /= 2;
  }
}

}  // namespace
}  // namespace ashlar
