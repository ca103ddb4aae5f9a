#include "ashlar/tensor/dtype.h"

#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace ashlar {
namespace {

constexpr std::uint32_t kHalves = 1u << 16;

bool HalfIsNan(std::uint32_t half) {
  return (half & 0x7fffu) > 0x7c00u;
}

// The value of a binary16 by the definition of IEEE 754, section 3.4.
double HalfByDefinition(std::uint32_t half) {
  const int sign = (half & 0x8000u) != 0 ? -1 : 1;
  const int exponent = static_cast<int>(half >> 10) & 31;
  const int fraction = static_cast<int>(half) & 1023;
  if (exponent == 31) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  }
  return exponent == 0 ? sign * std::ldexp(fraction, -24)
                       : sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(DType, HasANameAndASize) {
  EXPECT_EQ(DTypeName(DType::kF32), "f32");
  EXPECT_EQ(DTypeName(DType::kF16), "f16");
  EXPECT_EQ(DTypeName(DType::kBF16), "bf16");
  EXPECT_EQ(ByteSize(DType::kF32), 4u);
  EXPECT_EQ(ByteSize(DType::kF16), 2u);
  EXPECT_EQ(ByteSize(DType::kBF16), 2u);
}

TEST(F16, EveryHalfWidensToItsValue) {
  for (std::uint32_t half = 0; half < kHalves; ++half) {
    const float widened = F16ToF32(static_cast<std::uint16_t>(half));
    if (HalfIsNan(half)) {
      ASSERT_TRUE(std::isnan(widened)) << half;
    } else {
      ASSERT_EQ(widened, HalfByDefinition(half)) << half;
      ASSERT_EQ(std::signbit(widened), (half & 0x8000u) != 0) << half;
    }
  }
}

TEST(F16, EveryHalfSurvivesWideningAndNarrowing) {
  for (std::uint32_t half = 0; half < kHalves; ++half) {
    const std::uint16_t back = F32ToF16(F16ToF32(static_cast<std::uint16_t>(half)));
    if (HalfIsNan(half)) {
      ASSERT_TRUE(HalfIsNan(back)) << half;
    } else {
      ASSERT_EQ(back, half);
    }
  }
}

TEST(F16, NarrowingRoundsToTheNearestHalfAndTiesToTheEvenOne) {
  // Between each neighbouring pair of non-negative halves: the midpoint and its two neighbours in
  // f32. The "half" after the largest finite one stands for infinity and counts as 2^16.
  for (std::uint32_t half = 0; half < 0x7c00u; ++half) {
    const double low = HalfByDefinition(half);
    const double high = half + 1 == 0x7c00u ? 65536.0 : HalfByDefinition(half + 1);
    const float middle = static_cast<float>((low + high) / 2);
    ASSERT_EQ(middle, (low + high) / 2) << "a midpoint of halves is exact in f32";
    const std::uint32_t even = half % 2 == 0 ? half : half + 1;
    const float infinity = std::numeric_limits<float>::infinity();
    for (const std::uint32_t sign : {0u, 0x8000u}) {
      const float direction = sign == 0 ? 1.0f : -1.0f;
      ASSERT_EQ(F32ToF16(direction * middle), sign | even) << half;
      ASSERT_EQ(F32ToF16(direction * std::nextafter(middle, 0.0f)), sign | half) << half;
      ASSERT_EQ(F32ToF16(direction * std::nextafter(middle, infinity)), sign | (half + 1)) << half;
    }
  }
}

TEST(F16, NarrowingOverflowsToInfinityAndUnderflowsToZero) {
  EXPECT_EQ(F32ToF16(65504.0f), 0x7bffu);
  EXPECT_EQ(F32ToF16(65520.0f), 0x7c00u);
  EXPECT_EQ(F32ToF16(1e30f), 0x7c00u);
  EXPECT_EQ(F32ToF16(-std::numeric_limits<float>::infinity()), 0xfc00u);
  EXPECT_EQ(F32ToF16(std::numeric_limits<float>::denorm_min()), 0u);
  EXPECT_EQ(F32ToF16(-std::numeric_limits<float>::denorm_min()), 0x8000u);
  EXPECT_TRUE(HalfIsNan(F32ToF16(std::numeric_limits<float>::quiet_NaN())));
  // A NaN whose payload lies wholly in the discarded bits must not become infinity.
  EXPECT_TRUE(HalfIsNan(F32ToF16(std::bit_cast<float>(0x7f800001u))));
}

TEST(BF16, EveryOneSurvivesWideningAndNarrowing) {
  for (std::uint32_t bits = 0; bits < kHalves; ++bits) {
    const float widened = BF16ToF32(static_cast<std::uint16_t>(bits));
    const std::uint16_t back = F32ToBF16(widened);
    if (std::isnan(widened)) {
      ASSERT_TRUE(std::isnan(BF16ToF32(back))) << bits;
    } else {
      ASSERT_EQ(back, bits);
    }
  }
}

TEST(BF16, NarrowingRoundsToTheNearestAndTiesToTheEvenOne) {
  for (std::uint32_t bits = 0; bits < 0x7f80u; ++bits) {
    const std::uint32_t middle = bits << 16 | 0x8000u;
    const std::uint32_t even = bits % 2 == 0 ? bits : bits + 1;
    ASSERT_EQ(F32ToBF16(std::bit_cast<float>(middle)), even);
    ASSERT_EQ(F32ToBF16(std::bit_cast<float>(middle - 1)), bits);
    ASSERT_EQ(F32ToBF16(std::bit_cast<float>(middle + 1)), bits + 1);
  }
  EXPECT_TRUE(std::isnan(BF16ToF32(F32ToBF16(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_TRUE(std::isnan(BF16ToF32(F32ToBF16(std::bit_cast<float>(0x7fffffffu)))));
}

}  // namespace
}  // namespace ashlar
