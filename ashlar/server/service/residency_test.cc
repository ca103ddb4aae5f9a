#include "ashlar/server/service/residency.h"

#include <algorithm>
#include <bit>
#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"

namespace ashlar::internal {
namespace {

// Networks whose weights are sets of bits, a byte each: shared bits count once.
std::string Decided(const ResidencyLimits& limits, std::vector<ResidencyView> networks,
                    std::vector<unsigned> weights, std::int64_t now = 1000) {
  const auto bytes = [&](std::span<const std::size_t> indices) {
    unsigned bits = 0;
    for (const std::size_t i : indices) {
      bits |= weights[i];
    }
    return static_cast<std::uint64_t>(std::popcount(bits));
  };
  const ResidencyDecision decision = DecideResidency(limits, networks, now, bytes);
  const char* const kNames[] = {"nothing", "load", "unload", "refuse"};
  std::string text = kNames[static_cast<int>(decision.action)];
  if (decision.action != ResidencyAction::kNothing) {
    text += " " + std::to_string(decision.index);
  }
  for (const std::size_t i : decision.closed) {
    text += ", close " + std::to_string(i);
  }
  return text;
}

constexpr ResidencyView kAbsent{};
ResidencyView Wanted(std::int64_t since) {
  return {.waiting = 1, .wanted_since = since};
}
ResidencyView Idle(std::int64_t last_used) {
  return {.resident = true, .last_used = last_used};
}
ResidencyView Busy(std::int64_t last_used) {
  return {.resident = true, .users = 1, .last_used = last_used};
}
ResidencyView Pinned() {
  return {.resident = true, .pinned = true};
}
constexpr ResidencyLimits kEight{.weight_bytes = 8, .patience = 100};

TEST(Residency, WhoIsWaitedForIsLoaded) {
  EXPECT_EQ(Decided(kEight, {kAbsent, Wanted(5)}, {0xf, 0xf0}), "load 1");
  EXPECT_EQ(Decided(kEight, {kAbsent, Idle(0)}, {0xf, 0xf0}), "nothing");
}

TEST(Residency, TheFirstThatWasWaitedForComesFirst) {
  EXPECT_EQ(Decided(kEight, {Wanted(9), Wanted(5)}, {0xf, 0xf0}), "load 1");
}

TEST(Residency, WhatIsSharedTakesNoRoom) {
  EXPECT_EQ(Decided(kEight, {Busy(0), Wanted(5)}, {0xff, 0xff}), "load 1");
}

TEST(Residency, TheLeastLatelyUsedMakesRoom) {
  EXPECT_EQ(Decided(kEight, {Idle(7), Idle(3), Wanted(990)}, {0xf, 0xf0, 0xf00}), "unload 1");
}

TEST(Residency, TwoThatShareAllBothGo) {
  EXPECT_EQ(Decided(kEight, {Idle(1), Idle(3), Wanted(990)}, {0xff, 0xff, 0xf00}), "unload 0");
  EXPECT_EQ(Decided(kEight, {kAbsent, Idle(3), Wanted(990)}, {0xff, 0xff, 0xf00}), "unload 1");
}

TEST(Residency, NoneThatIsUsedOrPinnedGoes) {
  EXPECT_EQ(Decided(kEight, {Busy(1), Idle(3), Wanted(990)}, {0xf, 0xf0, 0xf00}), "unload 1");
  EXPECT_EQ(Decided(kEight, {Pinned(), Idle(3), Wanted(990)}, {0xf, 0xf0, 0xf00}), "unload 1");
}

TEST(Residency, WhereAllAreUsedOneWaits) {
  EXPECT_EQ(Decided(kEight, {Busy(1), Busy(3), Wanted(990)}, {0xf, 0xf0, 0xf00}), "nothing");
}

TEST(Residency, AndWhenItHasWaitedTooLongTheOthersTakeNobodyIn) {
  EXPECT_EQ(Decided(kEight, {Busy(1), Busy(3), Wanted(900)}, {0xf, 0xf0, 0xf00}),
            "nothing, close 0");
  EXPECT_EQ(Decided(kEight, {Busy(1), Busy(3), Wanted(900)}, {0xf, 0xf0, 0xff00}),
            "nothing, close 0, close 1");
}

TEST(Residency, AClosedNetworkGoesWhenItsLastUserEndsThoughOthersWaitForIt) {
  ResidencyView closed = Idle(1);
  closed.waiting = 3;
  closed.wanted_since = 950;
  EXPECT_EQ(Decided(kEight, {closed, Busy(3), Wanted(900)}, {0xf, 0xf0, 0xf00}), "unload 0");
}

TEST(Residency, WhatCanNeverFitIsRefused) {
  EXPECT_EQ(Decided(kEight, {kAbsent, Wanted(5)}, {0xf, 0x1ff}), "refuse 1");
  EXPECT_EQ(Decided(kEight, {Pinned(), Wanted(5)}, {0xff, 0xf00}), "refuse 1");
}

TEST(Residency, WithoutALimitAllStay) {
  EXPECT_EQ(Decided({}, {Idle(1), Wanted(5)}, {0xff, 0xffff00}), "load 1");
}

TEST(Residency, AfterAWhileUnusedNetworksGo) {
  const ResidencyLimits limits{.keep_alive = 500};
  EXPECT_EQ(Decided(limits, {Idle(600), Idle(500)}, {1, 2}), "unload 1");
  EXPECT_EQ(Decided(limits, {Busy(1), Pinned()}, {1, 2}), "nothing");
}

TEST(Residency, WhatIsBeingLoadedIsNotUnloaded) {
  ResidencyView loading = Idle(0);
  loading.loading = true;
  EXPECT_EQ(Decided(kEight, {loading, Wanted(5)}, {0xff, 0xf00}), "nothing");
}

// Random networks, each with requests that come, take a while and end: none waits for ever, and
// the budget holds at each moment.
TEST(Residency, EveryRequestIsServedAndTheBudgetAlwaysHolds) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 20; ++round) {
    const std::size_t count = 2 + random() % 5;
    std::vector<unsigned> weights(count);
    for (unsigned& bits : weights) {
      bits = 1 + random() % 255;
    }
    const auto bytes = [&](std::span<const std::size_t> indices) {
      unsigned bits = 0;
      for (const std::size_t i : indices) {
        bits |= weights[i];
      }
      return static_cast<std::uint64_t>(std::popcount(bits));
    };
    const ResidencyLimits limits{.weight_bytes = 8, .patience = 20};
    std::vector<ResidencyView> networks(count);
    std::vector<std::vector<std::int64_t>> ends(count);  // of those that run
    std::int64_t longest_wait = 0;
    for (std::int64_t now = 0; now < 2000; ++now) {
      const std::size_t asked = random() % count;
      if (networks[asked].waiting++ == 0) {
        networks[asked].wanted_since = now;
      }
      std::vector<std::size_t> closed;
      for (bool again = true; again;) {
        const ResidencyDecision decision = DecideResidency(limits, networks, now, bytes);
        ResidencyView& network = networks[decision.index];
        again = decision.action != ResidencyAction::kNothing;
        ASSERT_NE(decision.action, ResidencyAction::kRefuse);
        if (decision.action == ResidencyAction::kLoad) {
          network.resident = true;
        } else if (decision.action == ResidencyAction::kUnload) {
          ASSERT_EQ(network.users, 0);
          network.resident = false;
        }
        closed = decision.closed;
      }
      std::vector<std::size_t> resident;
      for (std::size_t i = 0; i < count; ++i) {
        ResidencyView& network = networks[i];
        if (network.resident) {
          resident.push_back(i);
        }
        if (network.waiting > 0) {
          longest_wait = std::max(longest_wait, now - network.wanted_since);
        }
        if (network.resident && std::ranges::find(closed, i) == closed.end()) {
          for (; network.waiting > 0; --network.waiting, ++network.users) {
            ends[i].push_back(now + 1 + static_cast<std::int64_t>(random() % 10));
            network.last_used = now;
          }
        }
        network.users -= static_cast<std::int64_t>(
            std::erase_if(ends[i], [&](std::int64_t end) { return end <= now; }));
      }
      ASSERT_LE(bytes(resident), 8u);
    }
    EXPECT_LE(longest_wait, 40 * static_cast<std::int64_t>(count)) << count << " networks";
  }
}

}  // namespace
}  // namespace ashlar::internal
