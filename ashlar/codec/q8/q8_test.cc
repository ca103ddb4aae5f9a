#include "ashlar/codec/q8/q8.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ashlar {
namespace {

constexpr std::size_t kQ8TileBytes = 1088;

std::vector<std::uint8_t> EncodeQ8(const std::vector<float>& values, std::int64_t rows) {
  const std::int64_t columns = static_cast<std::int64_t>(values.size()) / rows;
  std::vector<std::byte> packed(*PackedBytes(kQ8, {rows, columns}));
  kQ8.encode(values.data(), rows, columns, packed.data());
  std::vector<std::uint8_t> bytes;
  for (const std::byte byte : packed) {
    bytes.push_back(std::to_integer<std::uint8_t>(byte));
  }
  return bytes;
}

// The worked example of docs/formats/q8.md: w[n, k] = (n + 1) / 127 * (k - 31) for k < 32 of three
// rows. Row n's largest magnitude is 31 (n + 1) / 127, so its scale is 31 (n + 1) / 127^2 and
// q = round(127 (k - 31) / 31).
TEST(Q8, WritesTheBytesOfItsSpecification) {
  std::vector<float> values;
  for (int n = 0; n < 3; ++n) {
    for (int k = 0; k < 32; ++k) {
      values.push_back(static_cast<float>((n + 1) * (k - 31)) / 127.0f);
    }
  }
  const std::vector<std::uint8_t> bytes = EncodeQ8(values, 3);
  ASSERT_EQ(bytes.size(), kQ8TileBytes);
  std::vector<std::uint8_t> expected(kQ8TileBytes, 128);
  std::fill_n(expected.begin(), 64, 0);
  const std::uint8_t scales[] = {0xdf, 0x17, 0xdf, 0x1b, 0xe8, 0x1d};
  std::copy(std::begin(scales), std::end(scales), expected.begin());
  for (std::size_t n = 0; n < 3; ++n) {
    for (std::size_t k = 0; k < 32; ++k) {
      const long q = std::lround(127.0 * (static_cast<double>(k) - 31) / 31);
      expected[64 + k / 4 * 128 + 4 * n + k % 4] = static_cast<std::uint8_t>(128 + q);
    }
  }
  EXPECT_EQ(bytes, expected);
  // The first sixteen bytes of quad 0, as printed there.
  EXPECT_THAT(std::vector<std::uint8_t>(bytes.begin() + 64, bytes.begin() + 80),
              testing::ElementsAre(0x01, 0x05, 0x09, 0x0d, 0x01, 0x05, 0x09, 0x0d, 0x01, 0x05, 0x09,
                                   0x0d, 0x80, 0x80, 0x80, 0x80));
}

TEST(Q8, PutsGroupsOfABandBeforeTheNextBand) {
  std::vector<float> values(33 * 64, 0.0f);
  values[32 * 64 + 32] = 127;  // row 32, group 1: tile 3, output 0, input 0
  const std::vector<std::uint8_t> bytes = EncodeQ8(values, 33);
  ASSERT_EQ(bytes.size(), 4 * kQ8TileBytes);
  EXPECT_EQ(bytes[3 * kQ8TileBytes + 1], 0x3c) << "the scale 1.0";
  EXPECT_EQ(bytes[3 * kQ8TileBytes + 64], 255);
}

TEST(Q8, RoundsHalvesAwayFromZeroWithTheScaleBeforeItsOwnRounding) {
  std::vector<float> values(32, 0.0f);
  values[0] = 127;  // the scale is 1
  values[1] = 2.5f;
  values[2] = -2.5f;
  values[3] = 0.49f;
  const std::vector<std::uint8_t> bytes = EncodeQ8(values, 1);
  EXPECT_EQ(bytes[64], 128 + 127);
  EXPECT_EQ(bytes[65], 128 + 3);
  EXPECT_EQ(bytes[66], 128 - 3);
  EXPECT_EQ(bytes[67], 128);
}

TEST(Q8, RefusesScalesThatAreNoNumbersAndNamesThePlace) {
  std::vector<std::byte> packed(*PackedBytes(kQ8, {40, 64}), std::byte{0});
  ASSERT_TRUE(kQ8.check(packed, 40, 64).ok());
  packed[3 * kQ8TileBytes + 2 * 7 + 1] = std::byte{0x7c};
  Status status = kQ8.check(packed, 40, 64);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(status.error().message,
            "the scale of row 39, columns 32 to 63 is infinite (f16 0x7c00)");
  packed[3 * kQ8TileBytes + 2 * 7] = std::byte{1};
  EXPECT_THAT(kQ8.check(packed, 40, 64).error().message, testing::HasSubstr("is NaN"));
}

}  // namespace
}  // namespace ashlar
