#include "ashlar/kinds/rope_tables.h"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

#include "ashlar/base/test_memory.h"

namespace ashlar {
namespace {

constexpr double kPi = std::numbers::pi;

// Of which all positions are there.
RopeTable ReachedTable(const RopeParameters& parameters, std::int64_t positions) {
  RopeTable table(parameters, positions);
  table.Reach(positions);
  return table;
}

// Each frequency within a few last places of the formula in doubles.
template <class Formula>
void ExpectFrequencies(const RopeParameters& parameters, std::int64_t position,
                       const Formula& formula) {
  const std::vector<float> actual = RopeFrequencies(parameters, position);
  ASSERT_EQ(static_cast<std::int64_t>(actual.size()), parameters.dims / 2);
  for (std::int64_t i = 0; i < parameters.dims / 2; ++i) {
    const double plain = std::pow(
        parameters.theta, -2.0 * static_cast<double>(i) / static_cast<double>(parameters.dims));
    const double expected = formula(i, plain);
    EXPECT_NEAR(actual[i], expected, 2e-6 * expected) << "pair " << i;
  }
}

TEST(RopeFrequencies, FallGeometricallyFromOneWithoutScaling) {
  ExpectFrequencies({.dims = 64, .theta = 10000}, 0,
                    [](std::int64_t, double plain) { return plain; });
  EXPECT_EQ(RopeFrequencies({.dims = 64}, 0)[0], 1.0f);
}

TEST(RopeFrequencies, AreAllDividedByTheFactorWhenLinear) {
  ExpectFrequencies({.dims = 32, .scaling = RopeScaling::kLinear, .factor = 8}, 0,
                    [](std::int64_t, double plain) { return plain / 8; });
}

TEST(RopeFrequencies, OfLlama3AreKeptStretchedOrMixedByTheirTurns) {
  const RopeParameters parameters{.dims = 128,
                                  .theta = 500000,
                                  .scaling = RopeScaling::kLlama3,
                                  .factor = 8,
                                  .original_positions = 8192,
                                  .low_frequency_factor = 1,
                                  .high_frequency_factor = 4};
  int kept = 0;
  int stretched = 0;
  ExpectFrequencies(parameters, 0, [&](std::int64_t, double plain) {
    const double turns = 8192 * plain / (2 * kPi);
    if (turns > 4) {
      ++kept;
      return plain;
    }
    if (turns < 1) {
      ++stretched;
      return plain / 8;
    }
    const double share = (turns - 1) / (4 - 1);
    return (1 - share) * plain / 8 + share * plain;
  });
  // 64 pairs: turns fall from 1304 by a factor 500000^(1/64) = 1.2275 each.
  EXPECT_EQ(kept, 29);
  EXPECT_EQ(stretched, 29);
}

TEST(RopeFrequencies, OfYarnAreMixedAlongTheDimensions) {
  const RopeParameters parameters{.dims = 128,
                                  .theta = 10000,
                                  .scaling = RopeScaling::kYarn,
                                  .factor = 16,
                                  .original_positions = 4096,
                                  .beta_fast = 32,
                                  .beta_slow = 1};
  // The pair that turns 32 times is 20.94..., the one that turns once 45.02...
  const double ln_theta = std::log(10000);
  const double first = std::floor(64 * std::log(4096 / (32 * 2 * kPi)) / ln_theta);
  const double last = std::ceil(64 * std::log(4096 / (2 * kPi)) / ln_theta);
  EXPECT_EQ(first, 20);
  EXPECT_EQ(last, 46);
  ExpectFrequencies(parameters, 0, [&](std::int64_t i, double plain) {
    const double ramp = std::clamp((static_cast<double>(i) - first) / (last - first), 0.0, 1.0);
    return plain / 16 * ramp + plain * (1 - ramp);
  });
}

TEST(RopeFrequencies, OfYarnMayBeMixedFromBetweenPairsOn) {
  const RopeParameters parameters{.dims = 64,
                                  .theta = 150000,
                                  .scaling = RopeScaling::kYarn,
                                  .factor = 32,
                                  .original_positions = 4096,
                                  .beta_fast = 32,
                                  .beta_slow = 1,
                                  .fractional_ramp = true};
  const auto pair_of = [](double turns) {
    return 32 * std::log(4096 / (turns * 2 * kPi)) / std::log(150000);
  };
  ExpectFrequencies(parameters, 0, [&](std::int64_t i, double plain) {
    const double ramp =
        std::clamp((static_cast<double>(i) - pair_of(32)) / (pair_of(1) - pair_of(32)), 0.0, 1.0);
    return plain / 32 * ramp + plain * (1 - ramp);
  });
}

TEST(RopeFrequencies, OfLongropeAreDividedByTheFactorsForTheLengthOfSequences) {
  const RopeParameters parameters{.dims = 4,
                                  .scaling = RopeScaling::kLongrope,
                                  .original_positions = 100,
                                  .short_factors = {1, 2},
                                  .long_factors = {4, 8}};
  EXPECT_EQ(RopeFrequencies(parameters, 7, 100), (std::vector{1.0f, 0.01f / 2}));
  EXPECT_EQ(RopeFrequencies(parameters, 7, 101), (std::vector{0.25f, 0.01f / 8}));
}

TEST(RopeFrequencies, WhenDynamicFollowTheSequenceThatEndsAtTheRow) {
  const RopeParameters parameters{
      .dims = 64, .scaling = RopeScaling::kDynamic, .factor = 2, .original_positions = 100};
  for (const std::int64_t position : {0, 50, 99}) {
    ExpectFrequencies(parameters, position, [](std::int64_t, double plain) { return plain; });
  }
  for (const std::int64_t position : {100, 150, 399}) {
    const double length = static_cast<double>(position) + 1;
    const double theta = 10000 * std::pow(2 * length / 100 - 1, 64.0 / 62.0);
    ExpectFrequencies(parameters, position, [&](std::int64_t i, double) {
      return std::pow(theta, -static_cast<double>(i) / 32);
    });
  }
}

TEST(RopeTable, HoldsTheCosineAndSineOfEachAngle) {
  const RopeTable table = ReachedTable({.dims = 8, .theta = 100}, 50);
  EXPECT_EQ(table.pairs(), 4);
  for (std::int64_t position = 0; position < 50; ++position) {
    for (std::int64_t i = 0; i < 4; ++i) {
      const double angle =
          static_cast<double>(position) * std::pow(100.0, -static_cast<double>(i) / 4);
      // The angle is an f32 of up to 49, half a last place of which is 2^-19.
      EXPECT_NEAR(table.cosine(position)[i], std::cos(angle), 6e-6);
      EXPECT_NEAR(table.sine(position)[i], std::sin(angle), 6e-6);
    }
  }
}

TEST(RopeTable, OfYarnIsMultipliedByItsAttentionFactor) {
  RopeParameters parameters{
      .dims = 8, .scaling = RopeScaling::kYarn, .factor = 4, .original_positions = 64};
  EXPECT_FLOAT_EQ(ReachedTable(parameters, 1).cosine(0)[0],
                  static_cast<float>(0.1 * std::log(4.0) + 1));
  parameters.attention_factor = 0.75;
  EXPECT_EQ(ReachedTable(parameters, 1).cosine(0)[0], 0.75f);
}

TEST(RopeTable, OfADynamicRowDoesNotDependOnHowManyPositionsThereAre) {
  const RopeParameters parameters{
      .dims = 16, .scaling = RopeScaling::kDynamic, .factor = 4, .original_positions = 10};
  const RopeTable small = ReachedTable(parameters, 20);
  const RopeTable large = ReachedTable(parameters, 40);
  EXPECT_TRUE(std::equal(small.cosine(0), small.cosine(0) + 20 * 8, large.cosine(0)));
}

TEST(RopeTable, IsTheSameInHoweverManyPartsItIsReached) {
  const RopeParameters parameters{
      .dims = 16, .scaling = RopeScaling::kDynamic, .factor = 4, .original_positions = 100};
  const RopeTable whole = ReachedTable(parameters, 300);
  RopeTable parts(parameters, 300);
  for (const std::int64_t end : {1, 64, 65, 64, 130, 299, 300}) {
    parts.Reach(end);
  }
  EXPECT_TRUE(std::equal(whole.cosine(0), whole.cosine(0) + 300 * 8, parts.cosine(0)));
  EXPECT_TRUE(std::equal(whole.sine(0), whole.sine(0) + 300 * 8, parts.sine(0)));
}

TEST(RopeTable, TakesMemoryAsFarAsItIsReached) {
  const std::int64_t before = ResidentBytesNow();
  RopeTable table({.dims = 128}, 1 << 17);  // 64 MB
  table.Reach(1000);  // half a megabyte; a system that likes huge pages gives some
  EXPECT_LT(ResidentBytesNow() - before, 16 << 20);
}

TEST(RopeTables, AreSharedByEqualParametersWhileInUse) {
  RopeTables tables;
  auto a = tables.Get({.dims = 8}, 16);
  EXPECT_EQ(tables.Get({.dims = 8}, 16), a);
  const auto b = tables.Get({.dims = 8, .theta = 500}, 16);
  EXPECT_NE(a, b);
  EXPECT_EQ(tables.bytes(), 2 * 2 * 16 * 4 * sizeof(float));
  a.reset();
  EXPECT_EQ(tables.bytes(), 2 * 16 * 4 * sizeof(float));
}

TEST(RopeTables, HaveAllPositionsOnceABudgetCountsThem) {
  const RopeParameters parameters{.dims = 8};
  const RopeTable reached = ReachedTable(parameters, 100);
  const auto is_whole = [&](const RopeTable& table) {
    return std::equal(reached.cosine(0), reached.cosine(0) + 100 * 4, table.cosine(0));
  };
  RopeTables tables;
  const auto before = tables.Get(parameters, 100);
  before->Reach(1);
  tables.ReachAll();
  EXPECT_TRUE(is_whole(*before));
  EXPECT_TRUE(is_whole(*tables.Get(parameters, 101)));
}

}  // namespace
}  // namespace ashlar
