#include "ashlar/server/memory/memory_division.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace ashlar::internal {
namespace {

constexpr std::uint64_t kMega = 1 << 20;
constexpr std::int64_t kSecond = 1'000'000;

// In megabytes; the rest as in MemoryDemand.
struct InMegabytes {
  std::uint64_t budget;
  std::uint64_t held = 0;
  std::uint64_t wanted = 0;
  std::uint64_t weights_now = 80;
  std::vector<IdleNetwork> idle = {};
};

// 20 MB of other things, weights of 20 to 80 MB, at most 60 MB of state.
MemoryDivision Divided(const InMegabytes& in, const DivisionHistory& before = {},
                       std::int64_t now = 100 * kSecond) {
  return DivideMemory({.budget = in.budget * kMega,
                       .other_bytes = 20 * kMega,
                       .held_pages = in.held * kMega,
                       .wanted_pages = in.wanted * kMega,
                       .most_pages = 60 * kMega,
                       .weights = {.floor = 20 * kMega, .all = 80 * kMega},
                       .weights_now = in.weights_now * kMega,
                       .idle = in.idle},
                      {}, before, now);
}

std::string Told(const MemoryDivision& division) {
  std::string text = fmt::format("weights {}, pages {}", division.weight_bytes / kMega,
                                 division.page_bytes / kMega);
  text += division.release_spare ? ", release spare" : "";
  if (division.unload) {
    text += fmt::format(", unload {}", *division.unload);
  }
  return division.full ? text + ", full" : text;
}

TEST(MemoryDivision, CachedPagesGoBeforeWeights) {
  EXPECT_EQ(Told(Divided({.budget = 160})), "weights 80, pages 60");
  EXPECT_EQ(Told(Divided({.budget = 130})), "weights 80, pages 30");
  EXPECT_EQ(Told(Divided({.budget = 100})), "weights 80, pages 0");
  EXPECT_EQ(Told(Divided({.budget = 99})), "weights 79, pages 0");
  EXPECT_EQ(Told(Divided({.budget = 41})), "weights 21, pages 0");
}

TEST(MemoryDivision, WhatIsSpareGoesAfterCachedPagesAndBeforeNetworksAndIsNoNeed) {
  const std::vector<IdleNetwork> idle = {{80 * kSecond, 5 * kMega}};
  const auto divided = [&](std::uint64_t budget) {
    return DivideMemory({.budget = budget * kMega,
                         .other_bytes = 30 * kMega,
                         .spare_bytes = 10 * kMega,
                         .wanted_pages = 24 * kMega,
                         .most_pages = 60 * kMega,
                         .weights = {.floor = 20 * kMega, .all = 80 * kMega},
                         .weights_now = 80 * kMega,
                         .idle = idle},
                        {}, {}, 100 * kSecond);
  };
  EXPECT_EQ(Told(divided(160)), "weights 80, pages 50");
  EXPECT_EQ(Told(divided(134)), "weights 80, pages 24");
  EXPECT_EQ(Told(divided(133)), "weights 80, pages 33, release spare");
  EXPECT_EQ(Told(divided(124)), "weights 80, pages 24, release spare");
  EXPECT_EQ(Told(divided(123)), "weights 79, pages 24, release spare, unload 0");
  EXPECT_EQ(divided(160).least_bytes, 64 * kMega);
  EXPECT_FALSE(divided(64).full);
}

TEST(MemoryDivision, WeightsGoBeforeTheStateOfThoseThatAreThere) {
  EXPECT_EQ(Told(Divided({.budget = 130, .held = 10, .wanted = 24})), "weights 80, pages 30");
  EXPECT_EQ(Told(Divided({.budget = 100, .held = 10, .wanted = 24})), "weights 56, pages 24");
  EXPECT_EQ(Told(Divided({.budget = 64, .held = 10, .wanted = 24})), "weights 20, pages 24");
}

TEST(MemoryDivision, NewRequestsAreRefusedOnlyAtTheFloor) {
  EXPECT_FALSE(Divided({.budget = 64, .held = 10, .wanted = 24}).full);
  EXPECT_EQ(Told(Divided({.budget = 63, .held = 10, .wanted = 24})), "weights 20, pages 23, full");
  // What is held cannot be taken, whatever the budget.
  EXPECT_EQ(Told(Divided({.budget = 45, .held = 10, .wanted = 24})), "weights 20, pages 10, full");
  EXPECT_EQ(Told(Divided({.budget = 0, .held = 10, .wanted = 24})), "weights 20, pages 10, full");
}

TEST(MemoryDivision, AReserveThatIsOnlyRememberedMakesNobodyRefused) {
  const DivisionHistory remembered{.state = {.bytes = 40 * kMega, .begun = 99 * kSecond}};
  EXPECT_EQ(Told(Divided({.budget = 64, .held = 1, .wanted = 4}, remembered)),
            "weights 20, pages 24");
}

TEST(MemoryDivision, NetworksThatNobodyUsesGoBeforeLevelsTheLeastLatelyUsedFirst) {
  const std::vector<IdleNetwork> idle = {{90 * kSecond, 5 * kMega}, {80 * kSecond, 5 * kMega}};
  EXPECT_EQ(Told(Divided({.budget = 130, .idle = idle})), "weights 80, pages 30");
  EXPECT_EQ(Told(Divided({.budget = 90, .idle = idle})), "weights 70, pages 0, unload 1");
}

TEST(MemoryDivision, ANetworkThatWasUsedAMomentAgoOrWhoseWeightsOthersHaveStays) {
  const std::vector<IdleNetwork> idle = {{99 * kSecond, 5 * kMega}, {80 * kSecond, 0}};
  EXPECT_EQ(Told(Divided({.budget = 90, .idle = idle})), "weights 70, pages 0");
}

TEST(MemoryDivision, AtTheFloorANetworkGoesAsSoonAsNobodyUsesIt) {
  const std::vector<IdleNetwork> idle = {{100 * kSecond, 5 * kMega}};
  EXPECT_EQ(Told(Divided({.budget = 64, .wanted = 24, .idle = idle})), "weights 20, pages 24");
  EXPECT_EQ(Told(Divided({.budget = 63, .wanted = 24, .idle = idle})),
            "weights 20, pages 23, unload 0, full");
}

TEST(MemoryDivision, StateMayGrowUntilWeightsAreAtTheirFloor) {
  EXPECT_EQ(Divided({.budget = 160}).most_pages, 60 * kMega);  // what it may have at all
  EXPECT_EQ(Divided({.budget = 90}).most_pages, 50 * kMega);
  EXPECT_EQ(Divided({.budget = 30}).most_pages, 0u);
  EXPECT_EQ(Divided({.budget = 30, .held = 7}).most_pages, 7 * kMega);
}

TEST(MemoryDivision, WeightsTakeNoMoreThanTheyMayUnlessTheirFloorDoes) {
  MemoryDemand demand{.budget = 1000 * kMega,
                      .most_pages = 60 * kMega,
                      .weights = {.floor = 20 * kMega, .all = 80 * kMega},
                      .most_weights = 50 * kMega,
                      .weights_now = 80 * kMega};
  MemoryDivision division = DivideMemory(demand, {}, {}, 100 * kSecond);
  EXPECT_EQ(Told(division), "weights 50, pages 60");
  EXPECT_EQ(division.most_weights, 50 * kMega);
  demand.most_weights = 10 * kMega;
  division = DivideMemory(demand, {}, {}, 100 * kSecond);
  EXPECT_EQ(Told(division), "weights 20, pages 60");
  EXPECT_EQ(division.most_weights, 10 * kMega);
}

TEST(MemoryDivision, WeightsReturnAfterAQuietTimeAndNotInCrumbs) {
  const MemoryDivision shrunk = Divided({.budget = 90});
  EXPECT_EQ(shrunk.history.shrunk_at, 100 * kSecond);
  const auto later = [&](std::uint64_t budget, std::int64_t micros, std::uint64_t now = 70) {
    return Told(
        Divided({.budget = budget, .weights_now = now}, shrunk.history, 100 * kSecond + micros));
  };
  EXPECT_EQ(later(95, 499'999), "weights 70, pages 0");
  EXPECT_EQ(later(95, 500'000), "weights 75, pages 0");
  EXPECT_EQ(later(100, kSecond, 79), "weights 80, pages 0");  // the last ones, however few
  EXPECT_EQ(later(89, 1), "weights 69, pages 0");             // but they go at once
  // What is kept for weights to return is no room for pages.
  EXPECT_EQ(later(110, 1), "weights 70, pages 10");
}

TEST(MemoryDivision, LessThanAMegabyteMovesNoWeightsUpwards) {
  MemoryDemand demand{.budget = 90 * kMega + 100'000,
                      .weights = {.floor = 20 * kMega, .all = 100 * kMega},
                      .weights_now = 90 * kMega};
  EXPECT_EQ(DivideMemory(demand, {}, {}, 100 * kSecond).weight_bytes, 90 * kMega);
  demand.budget = 91 * kMega;
  EXPECT_EQ(DivideMemory(demand, {}, {}, 100 * kSecond).weight_bytes, 91 * kMega);
}

TEST(MemoryDivision, AShortPauseBetweenRequestsMovesNoWeights) {
  MemoryDivision division = Divided({.budget = 100, .wanted = 24});
  EXPECT_EQ(Told(division), "weights 56, pages 24");
  const auto after = [&](std::int64_t seconds, std::uint64_t wanted) {
    division = Divided({.budget = 100, .wanted = wanted, .weights_now = 56}, division.history,
                       (100 + seconds) * kSecond);
    return Told(division);
  };
  EXPECT_EQ(after(9, 0), "weights 56, pages 24");
  EXPECT_EQ(after(10, 0), "weights 56, pages 24");  // it was wanted in the ten seconds before
  EXPECT_EQ(after(15, 20), "weights 56, pages 24");
  EXPECT_EQ(after(20, 0), "weights 60, pages 20");  // since then, 20 at most
  EXPECT_EQ(after(30, 0), "weights 80, pages 0");
}

TEST(MemoryDivision, NoDivisionPassesTheBudgetWhereTheFloorAllowsIt) {
  DivisionHistory history;
  std::uint64_t weights = 80;
  for (std::int64_t i = 0; i < 2000; ++i) {  // a walk over demands, without chance
    const auto held = static_cast<std::uint64_t>(i * 7 % 20);
    const InMegabytes in{.budget = static_cast<std::uint64_t>(40 + i * 37 % 130),
                         .held = held,
                         .wanted = held + static_cast<std::uint64_t>(i * 3 % 11),
                         .weights_now = weights};
    const MemoryDivision division = Divided(in, history, i * 100'000);
    const std::uint64_t least = 20 + 20 + held;
    EXPECT_LE(20 * kMega + division.weight_bytes + division.page_bytes,
              std::max(in.budget, least) * kMega);
    EXPECT_EQ(division.full, in.budget < 40 + std::max(in.held, in.wanted)) << in.budget;
    history = division.history;
    weights = division.weight_bytes / kMega;
  }
}

}  // namespace
}  // namespace ashlar::internal
