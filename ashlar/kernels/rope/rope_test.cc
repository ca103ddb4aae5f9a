#include "ashlar/kernels/rope/rope.h"

#include <cmath>

#include "ashlar/kernels/kernel_test_support.h"

namespace ashlar {
namespace {

class RopeParity : public FormTest<RopeForm> {
 protected:
  void ExpectAgrees(std::int64_t heads, std::int64_t head_dim, std::int64_t rotary,
                    std::int64_t offset, RandomFloats& random) const {
    GuardedFloats x(heads * head_dim, offset);
    GuardedFloats cos(rotary / 2, (offset + 1) % 4);
    GuardedFloats sin(rotary / 2, (offset + 2) % 4);
    random.Fill(x);
    for (std::int64_t i = 0; i < rotary / 2; ++i) {
      const float angle = random.Normal(0, 10);
      cos[i] = std::cos(angle);
      sin[i] = std::sin(angle);
    }
    for (const RopeFn RopeForm::*turn : {&RopeForm::fn, &RopeForm::neighbours}) {
      GuardedFloats expected(heads * head_dim);
      std::copy_n(x.data(), x.size(), expected.data());
      (RopeForms().front().*turn)(expected.data(), heads, head_dim, rotary, cos.data(), sin.data());
      GuardedFloats actual(heads * head_dim, offset);
      std::copy_n(x.data(), x.size(), actual.data());
      (GetParam().*turn)(actual.data(), heads, head_dim, rotary, cos.data(), sin.data());
      for (std::int64_t k = 0; k < x.size(); ++k) {
        const std::int64_t i = k % head_dim;
        if (i >= rotary) {
          ASSERT_EQ(actual[k], x[k]) << "dim " << i << " is not rotated";
          continue;
        }
        const std::int64_t other = turn == &RopeForm::neighbours ? (i % 2 == 0 ? k + 1 : k - 1)
                                   : i < rotary / 2              ? k + rotary / 2
                                                                 : k - rotary / 2;
        ASSERT_NEAR(actual[k], expected[k],
                    2 * kUnitRoundoff * (std::fabs(x[k]) + std::fabs(x[other])))
            << "dim " << i << " of " << head_dim << ", rotary " << rotary;
      }
      actual.ExpectIntact();
    }
  }
};

TEST_P(RopeParity, AgreesWithTheReferenceForEveryTailAndMisalignment) {
  RandomFloats random(1);
  for (std::int64_t rotary = 0; rotary <= 160; rotary += 2) {
    for (const std::int64_t offset : {0, 1, 3}) {
      ExpectAgrees(3, rotary, rotary, offset, random);
    }
  }
}

TEST_P(RopeParity, LeavesTheDimensionsFromRotaryOnAlone) {
  RandomFloats random(2);
  for (std::int64_t head_dim = 1; head_dim <= 80; ++head_dim) {
    ExpectAgrees(2, head_dim, head_dim / 4 * 2, 0, random);
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, RopeParity, testing::ValuesIn(RopeForms()), FormName());

TEST(RopeReference, TurnsEachPairByItsAngle) {
  float x[] = {1, 2, 3, 4, 9, 5, 6, 7, 8, 9};  // two heads of five, four of them rotated
  const float cos[] = {0, -1};
  const float sin[] = {1, 0};
  RopeForms().front().fn(x, 2, 5, 4, cos, sin);
  const float expected[] = {-3, -2, 1, -4, 9, -7, -6, 5, -8, 9};
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(x[i], expected[i]) << i;
  }
}

TEST(RopeReference, TurnsNeighboursByTheirAngle) {
  float x[] = {1, 2, 3, 4, 9, 5, 6, 7, 8, 9};
  const float cos[] = {0, -1};
  const float sin[] = {1, 0};
  RopeForms().front().neighbours(x, 2, 5, 4, cos, sin);
  const float expected[] = {-2, 1, -3, -4, 9, -6, 5, -7, -8, 9};
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(x[i], expected[i]) << i;
  }
}

}  // namespace
}  // namespace ashlar
