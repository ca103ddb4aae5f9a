#include "ashlar/codec/q4/q4.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/test_floats.h"
#include "ashlar/base/test_seed.h"

namespace ashlar {
namespace {

constexpr std::size_t kQ4TileBytes = 576;

std::vector<std::uint8_t> EncodeQ4(const std::vector<float>& values, std::int64_t rows) {
  const std::int64_t columns = static_cast<std::int64_t>(values.size()) / rows;
  std::vector<std::byte> packed(*PackedBytes(kQ4, {rows, columns}));
  kQ4.encode(values.data(), rows, columns, packed.data());
  std::vector<std::uint8_t> bytes;
  for (const std::byte byte : packed) {
    bytes.push_back(std::to_integer<std::uint8_t>(byte));
  }
  return bytes;
}

// The worked example of docs/formats/q4.md: 17 rows, of which rows 0, 1 and 16 are not zero.
TEST(Q4, WritesTheBytesOfItsSpecification) {
  std::vector<float> values(17 * 32, 0.0f);
  for (std::size_t k = 0; k < 32; ++k) {
    const float step = static_cast<float>(k % 16) - 8;  // -8 .. 7
    values[k] = step;                                   // scale 1, q = step
    values[32 + k] = -0.5f * step;                      // largest is +4: scale -0.5, q = step
    values[16 * 32 + k] = k == 0 ? -2.0f : 0.25f;       // scale 0.25, q = -8, then 1
  }
  std::vector<std::uint8_t> expected(kQ4TileBytes, 0x88);
  std::fill_n(expected.begin(), 64, 0);
  expected[1] = 0x3c;  // row 0: 1.0
  expected[3] = 0xb8;  // row 1: -0.5
  for (std::size_t n = 2; n < 16; ++n) {
    expected[2 * n + 1] = 0x80;  // a group of zeros: 0 / -8 is -0.0
  }
  expected[2 * 16 + 1] = 0x34;  // row 16: 0.25
  for (std::size_t k = 0; k < 32; ++k) {
    const std::uint8_t step = k % 16;
    const std::uint8_t last = k == 0 ? 0 : 9;
    std::uint8_t* quad = &expected[64 + k / 4 * 64];
    quad[k % 4] = static_cast<std::uint8_t>(last << 4 | step);
    quad[4 + k % 4] = static_cast<std::uint8_t>(0x80 | step);
  }
  const std::vector<std::uint8_t> bytes = EncodeQ4(values, 17);
  EXPECT_EQ(bytes, expected);
  // The first twelve bytes of quad 0, as printed there.
  EXPECT_THAT(
      std::vector<std::uint8_t>(bytes.begin() + 64, bytes.begin() + 76),
      testing::ElementsAre(0x00, 0x91, 0x92, 0x93, 0x80, 0x81, 0x82, 0x83, 0x88, 0x88, 0x88, 0x88));
}

TEST(Q4, PutsGroupsOfABandBeforeTheNextBand) {
  std::vector<float> values(33 * 64, 0.0f);
  values[32 * 64 + 32] = -8;  // row 32, group 1: tile 3, output 0, input 0
  const std::vector<std::uint8_t> bytes = EncodeQ4(values, 33);
  ASSERT_EQ(bytes.size(), 4 * kQ4TileBytes);
  EXPECT_EQ(bytes[3 * kQ4TileBytes + 1], 0x3c) << "the scale 1.0";
  EXPECT_EQ(bytes[3 * kQ4TileBytes + 64], 0x80);
}

float SquaredError(const std::vector<float>& values, const std::vector<std::uint8_t>& bytes) {
  std::vector<float> decoded(values.size());
  kQ4.decode(reinterpret_cast<const std::byte*>(bytes.data()),
             static_cast<std::int64_t>(values.size()), 0, 1, decoded.data());
  float error = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    error += (values[i] - decoded[i]) * (values[i] - decoded[i]);
  }
  return error;
}

TEST(Q4, GivesRoomToBothSignsWhenTheirLargestAreAlike) {
  std::vector<float> values(32, 0.0f);
  values[0] = 7;  // as -8 it would leave +7 for its equal of the other sign
  values[1] = -7;
  const std::vector<std::uint8_t> bytes = EncodeQ4(values, 1);
  EXPECT_EQ(SquaredError(values, bytes), 0);
}

// Against every scale of a fine sweep, each with its integers rounded.
TEST(Q4, ComesWithinAPercentOfTheLeastSquaredErrorOnAverage) {
  TestFloats floats(TestSeed());
  double found = 0;
  double least = 0;
  for (int group = 0; group < 200; ++group) {
    std::vector<float> values(32);
    for (float& value : values) {
      value = floats.Next(0, 1);
    }
    found += SquaredError(values, EncodeQ4(values, 1));
    float best = 1e30f;
    for (int step = 100; step <= 800; ++step) {
      for (const float scale :
           {static_cast<float>(step) * 1e-3f, static_cast<float>(step) * -1e-3f}) {
        float error = 0;
        for (const float value : values) {
          const float q = std::clamp(std::nearbyint(value / scale), -8.0f, 7.0f);
          error += (value - q * scale) * (value - q * scale);
        }
        best = std::min(best, error);
      }
    }
    least += best;
  }
  EXPECT_LT(found, 1.01 * least) << "seed " << TestSeed();
}

TEST(Q4, RefusesScalesThatAreNoNumbersAndNamesThePlace) {
  std::vector<std::byte> packed(*PackedBytes(kQ4, {40, 64}), std::byte{0});
  ASSERT_TRUE(kQ4.check(packed, 40, 64).ok());
  packed[2 * kQ4TileBytes + 1] = std::byte{0xfc};
  const Status status = kQ4.check(packed, 40, 64);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message,
            "the scale of row 32, columns 0 to 31 is infinite (f16 0xfc00)");
}

}  // namespace
}  // namespace ashlar
