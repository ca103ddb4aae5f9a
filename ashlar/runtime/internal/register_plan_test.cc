#include "ashlar/runtime/internal/register_plan.h"

#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"

namespace ashlar::internal {
namespace {

TEST(RegisterPlan, AChainOfAnyDepthNeedsTwoPlaces) {
  std::vector<std::vector<int>> sources = {{}};
  for (int i = 0; i < 99; ++i) {
    sources.push_back({i});
  }
  std::vector<std::int64_t> widths(100, 64);
  widths.back() = 0;
  const RegisterPlan plan = PlanRegisters(sources, widths);
  EXPECT_EQ(plan.floats, 128);
  EXPECT_EQ(plan.offset.back(), -1);
}

TEST(RegisterPlan, AValueReadLateKeepsItsPlaceUntilThen) {
  const RegisterPlan plan = PlanRegisters(std::vector<std::vector<int>>{{}, {0}, {1}, {0, 2}},
                                          std::vector<std::int64_t>{16, 16, 16, 16});
  EXPECT_NE(plan.offset[2], plan.offset[0]);
  EXPECT_EQ(plan.floats, 48);
}

// On random graphs: no two values that are needed at the same time overlap.
TEST(RegisterPlan, PlacesInUseNeverOverlap) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 300; ++round) {
    const std::size_t count = 1 + random() % 20;
    std::vector<std::vector<int>> sources(count);
    std::vector<std::int64_t> widths(count);
    std::vector<std::size_t> last_reader(count);
    for (std::size_t i = 0; i < count; ++i) {
      widths[i] = static_cast<std::int64_t>(random() % 70);
      last_reader[i] = i;
      for (std::size_t j = 0; j < i; ++j) {
        if (random() % 4 == 0) {
          sources[i].push_back(static_cast<int>(j));
          last_reader[j] = i;
        }
      }
    }
    const RegisterPlan plan = PlanRegisters(sources, widths);
    for (std::size_t i = 0; i < count; ++i) {
      if (widths[i] == 0) {
        continue;
      }
      ASSERT_GE(plan.offset[i], 0);
      ASSERT_LE(plan.offset[i] + widths[i], plan.floats);
      for (std::size_t j = i + 1; j < count; ++j) {
        if (widths[j] > 0 && last_reader[i] >= j) {
          ASSERT_TRUE(plan.offset[i] + widths[i] <= plan.offset[j] ||
                      plan.offset[j] + widths[j] <= plan.offset[i])
              << i << " and " << j;
        }
      }
    }
  }
}

}  // namespace
}  // namespace ashlar::internal
