// The functions of math.h, held to their bounds on a vector of one lane: each operation is rounded
// as IEEE 754 says on every instruction set, so that the bits are those of the vector forms. (The
// operations themselves are judged where the forms are compared with their references.)
#include "ashlar/kernels/simd/math.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

#include <gtest/gtest.h>

namespace ashlar::simd {
namespace {

struct F32x1 {
  using Mask = bool;
  float v;
  static F32x1 Zero() { return {0}; }
  static F32x1 Broadcast(float x) { return {x}; }
  friend F32x1 operator+(F32x1 a, F32x1 b) { return {a.v + b.v}; }
  friend F32x1 operator-(F32x1 a, F32x1 b) { return {a.v - b.v}; }
  friend F32x1 operator*(F32x1 a, F32x1 b) { return {a.v * b.v}; }
  friend F32x1 operator/(F32x1 a, F32x1 b) { return {a.v / b.v}; }
};
// (The product of two f32 is exact in double, but its sum with a third may round twice; std::fma
// does not.)
F32x1 MulAdd(F32x1 a, F32x1 b, F32x1 c) {
  return {std::fma(a.v, b.v, c.v)};
}
F32x1 NegMulAdd(F32x1 a, F32x1 b, F32x1 c) {
  return {std::fma(-a.v, b.v, c.v)};
}
F32x1 MulSub(F32x1 a, F32x1 b, F32x1 c) {
  return {std::fma(a.v, b.v, -c.v)};
}
F32x1 Min(F32x1 a, F32x1 b) {
  return {a.v < b.v ? a.v : b.v};
}
F32x1 Abs(F32x1 a) {
  return {std::fabs(a.v)};
}
F32x1 CopySign(F32x1 a, F32x1 b) {
  return {std::copysign(a.v, b.v)};
}
F32x1 Round(F32x1 a) {
  return {std::nearbyint(a.v)};
}
F32x1 TwoToThe(F32x1 a) {
  const bool in_range = a.v >= -126 && a.v <= 127;
  return {in_range ? std::ldexp(1.0F, static_cast<int>(a.v)) : -1234.5F};
}
F32x1 LowBitsToExponent(F32x1 a) {
  return {std::bit_cast<float>(std::bit_cast<std::uint32_t>(a.v) << 23U)};
}
bool Less(F32x1 a, F32x1 b) {
  return a.v < b.v;
}
F32x1 Select(bool mask, F32x1 a, F32x1 b) {
  return mask ? a : b;
}

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kFlush = 0x1p-126;

// Every kStep-th f32 between zero and `limit` (of either sign), limit included.
constexpr std::uint32_t kStep = 16001;
template <class Check>
void ForFloatsTo(float limit, Check check) {
  const auto last = std::bit_cast<std::uint32_t>(limit);
  const std::uint32_t sign = last & 0x80000000U;
  for (std::uint32_t bits = last; bits >= sign + kStep; bits -= kStep) {
    ASSERT_NO_FATAL_FAILURE(check(std::bit_cast<float>(bits)));
  }
  check(std::bit_cast<float>(sign));
}

void ExpectWithin(double units, float actual, double exact, float x) {
  ASSERT_LE(std::fabs(actual - exact), units * 0x1p-24 * std::fabs(exact) + kFlush)
      << "at " << x << ": " << actual << " for " << exact;
}

TEST(Exp, IsWithinTwoUnitsOnAllNonPositiveNumbers) {
  ForFloatsTo(-104.0F, [](float x) {
    ASSERT_NO_FATAL_FAILURE(ExpectWithin(2, Exp(F32x1{x}).v, std::exp(double{x}), x));
  });
}

TEST(Exp, IsExactAtItsEnds) {
  EXPECT_EQ(Exp(F32x1{0.0F}).v, 1);
  EXPECT_EQ(Exp(F32x1{-0.0F}).v, 1);
  EXPECT_EQ(Exp(F32x1{-kInfinity}).v, 0);
  EXPECT_EQ(Exp(F32x1{-1e30F}).v, 0);
  EXPECT_GE(Exp(F32x1{kExpFlush}).v, 0x1p-126F);
  EXPECT_EQ(Exp(F32x1{std::nextafter(kExpFlush, -100.0F)}).v, 0);
  EXPECT_TRUE(std::isnan(Exp(F32x1{kNaN}).v));
}

TEST(Exp2, IsWithinTwoUnitsOnAllNonPositiveNumbers) {
  ForFloatsTo(-140.0F, [](float x) {
    ASSERT_NO_FATAL_FAILURE(ExpectWithin(2, Exp2(F32x1{x}).v, std::exp2(double{x}), x));
  });
}

TEST(Exp2, IsExactAtItsEndsAndAtIntegers) {
  EXPECT_EQ(Exp2(F32x1{-0.0F}).v, 1);
  for (int n = 0; n <= 126; ++n) {
    EXPECT_EQ(Exp2(F32x1{static_cast<float>(-n)}).v, std::ldexp(1.0F, -n));
  }
  EXPECT_EQ(Exp2(F32x1{std::nextafter(kExp2Flush, -200.0F)}).v, 0);
  EXPECT_EQ(Exp2(F32x1{-1e30F}).v, 0);
  EXPECT_EQ(Exp2(F32x1{-kInfinity}).v, 0);
  EXPECT_TRUE(std::isnan(Exp2(F32x1{kNaN}).v));
}

TEST(Sigmoid, IsWithinFourUnitsOnAllNumbers) {
  const auto check = [](float x) {
    ASSERT_NO_FATAL_FAILURE(
        ExpectWithin(4, Sigmoid(F32x1{x}).v, 1 / (1 + std::exp(-double{x})), x));
  };
  ForFloatsTo(104.0F, check);
  ForFloatsTo(-104.0F, check);
  EXPECT_EQ(Sigmoid(F32x1{kInfinity}).v, 1);
  EXPECT_EQ(Sigmoid(F32x1{-kInfinity}).v, 0);
  EXPECT_TRUE(std::isnan(Sigmoid(F32x1{kNaN}).v));
}

TEST(Tanh, IsWithinFourUnitsOnAllNumbers) {
  const auto check = [](float x) {
    ASSERT_NO_FATAL_FAILURE(ExpectWithin(4, Tanh(F32x1{x}).v, std::tanh(double{x}), x));
  };
  ForFloatsTo(50.0F, check);
  ForFloatsTo(-50.0F, check);
  EXPECT_EQ(Tanh(F32x1{kInfinity}).v, 1);
  EXPECT_EQ(Tanh(F32x1{-kInfinity}).v, -1);
  EXPECT_TRUE(std::isnan(Tanh(F32x1{kNaN}).v));
}

TEST(NormalCdf, IsWithinTwelveUnitsOnAllNumbers) {
  const auto check = [](float x) {
    const double exact = std::erfc(-double{x} / std::numbers::sqrt2) / 2;
    ASSERT_NO_FATAL_FAILURE(ExpectWithin(12, NormalCdf(F32x1{x}).v, exact, x));
  };
  ForFloatsTo(20.0F, check);
  ForFloatsTo(-20.0F, check);
  EXPECT_EQ(NormalCdf(F32x1{kInfinity}).v, 1);
  EXPECT_EQ(NormalCdf(F32x1{-kInfinity}).v, 0);
  EXPECT_TRUE(std::isnan(NormalCdf(F32x1{kNaN}).v));
}

}  // namespace
}  // namespace ashlar::simd
