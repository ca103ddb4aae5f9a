#include "ashlar/server/memory/memory_readings.h"

#include <fstream>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/server/memory/budget_follower.h"

namespace ashlar {
namespace {

// Describes a machine by the files in which Linux would.
class MemoryReadingsTest : public testing::Test {
 protected:
  void File(const std::string& name, std::string_view text) const {
    const Path path = root_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text << '\n';
  }
  MemoryReadings Read() const { return ReadMemory(root_.path()); }

  TempDirectory root_;
};

TEST_F(MemoryReadingsTest, WhatIsNotThereIsLeftOut) {
  EXPECT_EQ(Read().resident, 0u);
  EXPECT_EQ(Read().limit, std::nullopt);
  EXPECT_EQ(Read().group_use, std::nullopt);
  EXPECT_EQ(Read().stalled, std::nullopt);
}

TEST_F(MemoryReadingsTest, TheTightestLimitOfAllGroupsAroundHolds) {
  File("proc/self/cgroup", "0::/pod/box");
  File("sys/fs/cgroup/pod/box/memory.max", "max");
  File("sys/fs/cgroup/pod/box/memory.high", "900");
  File("sys/fs/cgroup/pod/box/memory.current", "123");
  File("sys/fs/cgroup/pod/memory.max", "1000");
  File("sys/fs/cgroup/pod/memory.current", "456");
  EXPECT_EQ(Read().limit, 900u);
  EXPECT_EQ(Read().group_use, 123u);  // of its own
  File("sys/fs/cgroup/pod/memory.max", "800");
  EXPECT_EQ(Read().limit, 800u);
}

TEST_F(MemoryReadingsTest, InsideAContainerItsGroupIsTheMount) {
  File("proc/self/cgroup", "0::/not/seen/from/inside");
  File("sys/fs/cgroup/memory.max", "700");
  File("sys/fs/cgroup/memory.current", "5");
  EXPECT_EQ(Read().limit, 700u);
  EXPECT_EQ(Read().group_use, 5u);
}

TEST_F(MemoryReadingsTest, VersionOneIsReadWhereVersionTwoLacksTheController) {
  File("proc/self/cgroup", "4:memory:/box\n1:cpu,cpuacct:/box\n0::/");
  File("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "600");
  File("sys/fs/cgroup/memory/box/memory.usage_in_bytes", "50");
  File("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");  // none
  File("sys/fs/cgroup/unified/cgroup.controllers", "");
  EXPECT_EQ(Read().limit, 600u);
  EXPECT_EQ(Read().group_use, 50u);
}

TEST_F(MemoryReadingsTest, WhatOthersHoldOfAGroupIsNotForThisProcess) {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  constexpr std::uint64_t kMebi = 1 << 20;
  // Of 30 MiB that are resident 10 are of files; the group has 20 of this process and 33 of others.
  File("proc/self/statm", std::to_string(90 * kMebi / page) + " " +
                              std::to_string(30 * kMebi / page) + " " +
                              std::to_string(10 * kMebi / page) + " 0 0 0 0");
  const std::string held = std::to_string(53 * kMebi);
  File("proc/self/cgroup", "0::/box");
  File("sys/fs/cgroup/box/memory.max", std::to_string(100 * kMebi));
  File("sys/fs/cgroup/box/memory.stat", "file 9\nanon_thp 7\nanon " + held + "\nkernel 3");
  EXPECT_EQ(Read().resident, 30 * kMebi);
  EXPECT_EQ(Read().limit, 68 * kMebi);
  File("proc/self/cgroup", "4:memory:/box\n0::/");
  File("sys/fs/cgroup/memory/box/memory.limit_in_bytes", std::to_string(90 * kMebi));
  File("sys/fs/cgroup/memory/box/memory.stat", "rss 5\ntotal_rss " + held);
  EXPECT_EQ(Read().limit, 58 * kMebi);
  File("sys/fs/cgroup/memory/box/memory.stat", "total_rss x");
  EXPECT_EQ(Read().limit, 90 * kMebi);
}

TEST_F(MemoryReadingsTest, TheGroupsOwnPressureGoesBeforeTheMachines) {
  File("proc/self/cgroup", "0::/box");
  File("proc/pressure/memory",
       "some avg10=0.00 avg60=0.00 avg300=0.00 total=2349896\n"
       "full avg10=0.00 avg60=0.00 avg300=0.00 total=879324");
  EXPECT_EQ(Read().stalled, 2349896u);
  File("sys/fs/cgroup/box/memory.pressure",
       "some avg10=1.53 avg60=0.87 avg300=0.00 total=77\n"
       "full avg10=0.00 avg60=0.00 avg300=0.00 total=5");
  EXPECT_EQ(Read().stalled, 77u);
}

TEST_F(MemoryReadingsTest, WhatIsNoNumberIsPassedOver) {
  File("proc/self/cgroup", "0::/box\nno colons here\n::\n7:memory");
  File("proc/self/statm", "12 x 3");
  File("sys/fs/cgroup/box/memory.max", "12k");
  File("sys/fs/cgroup/box/memory.high", "99999999999999999999999");
  File("sys/fs/cgroup/box/memory.current", "-4");
  File("sys/fs/cgroup/box/memory.pressure", "some avg10=0.00 total=");
  EXPECT_EQ(Read().resident, 0u);
  EXPECT_EQ(Read().limit, std::nullopt);
  EXPECT_EQ(Read().group_use, std::nullopt);
  EXPECT_EQ(Read().stalled, std::nullopt);
}

TEST_F(MemoryReadingsTest, TheMachineHasWhatTheSystemListsAsItsTotal) {
  const std::string listed = *ReadTextFile("/proc/meminfo");
  if (ReadTextFile("/proc/self/mountinfo")->find(" /proc/meminfo ") != std::string::npos) {
    GTEST_SKIP() << "/proc/meminfo is mounted over: it tells of a container, not of the machine";
  }
  EXPECT_TRUE(listed.starts_with(fmt::format("MemTotal: {:>14} kB\n", MachineBytes() / 1024)))
      << listed << MachineBytes();
}

TEST_F(MemoryReadingsTest, ThePressureIsTheTotalOfSome) {
  for (const std::string_view text : {"", "some", "some ", "full total=3\n", "some total=x\n"}) {
    EXPECT_EQ(internal::ParsePressure(text), std::nullopt) << text;
  }
  EXPECT_EQ(internal::ParsePressure("full total=3\nsome total=4"), 4u);
}

TEST(MemoryReadings, ThisProcessIsResident) {
  const std::uint64_t before = ResidentBytes();
  EXPECT_GT(before, 1u << 20);
  constexpr std::size_t kMore = 64 << 20;
  std::string more(kMore, 'x');
  EXPECT_GT(ResidentBytes(), before + kMore / 2);
}

constexpr std::int64_t kOneSecond = 1'000'000;
constexpr std::uint64_t kMachine = 1'000'000;

TEST(BudgetFollower, ItIsAPartOfTheTightestLimit) {
  EXPECT_EQ(FollowMemory({}, {}, {.limit = 1000}, kMachine, 0, 0).bytes, 900u);
  EXPECT_EQ(FollowMemory({}, {}, {}, kMachine, 0, 0).bytes, 900'000u);
  EXPECT_EQ(FollowMemory({}, {}, {.limit = 5'000'000}, kMachine, 0, 0).bytes, 900'000u);
}

TEST(BudgetFollower, ItFallsAtOnceWithTheLimitAndRisesInStepsWhenItIsQuiet) {
  FollowedBudget budget = FollowMemory({}, {}, {.limit = 1000}, kMachine, 0, 0);
  budget = FollowMemory({}, budget, {.limit = 500}, kMachine, 0, 1);
  EXPECT_EQ(budget.bytes, 450u);
  std::int64_t now = 1;
  for (; budget.bytes == 450; now += kOneSecond) {
    budget = FollowMemory({}, budget, {.limit = 1000}, kMachine, 0, now);
  }
  EXPECT_GE(now, 10 * kOneSecond);
  EXPECT_EQ(budget.bytes, 450u + 900 / 16);
  for (int i = 0; i < 20; ++i, now += kOneSecond) {
    budget = FollowMemory({}, budget, {.limit = 1000}, kMachine, 0, now);
  }
  EXPECT_EQ(budget.bytes, 900u);
}

TEST(BudgetFollower, PressureTakesAnEighthOfWhatIsUsedASecond) {
  FollowedBudget budget = FollowMemory({}, {}, {.limit = 1000, .stalled = 50}, kMachine, 0, 0);
  const auto after = [&](std::int64_t seconds, std::uint64_t stalled) {
    budget = FollowMemory({}, budget, {.resident = 800, .limit = 1000, .stalled = stalled},
                          kMachine, 0, seconds * kOneSecond);
    return budget.bytes;
  };
  EXPECT_EQ(after(1, 99'000), 900u);   // under a tenth of the time: neither falls nor rises
  EXPECT_EQ(after(2, 250'000), 700u);  // of the 800 that are used
  EXPECT_EQ(after(3, 450'000), 613u);
  EXPECT_EQ(after(12, 450'000), 613u);
  EXPECT_EQ(after(13, 450'000), 613u + 900 / 16);
  EXPECT_EQ(after(14, 3), 613u + 2 * (900 / 16));  // a counter that begins anew is no pressure
}

TEST(BudgetFollower, TheLimitIsFollowedBetweenLooksAtThePressure) {
  FollowedBudget budget = FollowMemory({}, {}, {.limit = 1000}, kMachine, 0, 0);
  budget = FollowMemory({}, budget, {.limit = 900, .stalled = 1'000'000}, kMachine, 0, 100'000);
  EXPECT_EQ(budget.bytes, 810u);
}

TEST(BudgetFollower, PressureTakesNoMoreThanCanBeGiven) {
  FollowedBudget budget = FollowMemory({}, {}, {.limit = 1000}, kMachine, 0, 0);
  for (int second = 1; second < 20; ++second) {
    const auto stalled = static_cast<std::uint64_t>(second * kOneSecond / 2);
    budget = FollowMemory({}, budget, {.limit = 1000, .stalled = stalled}, kMachine, 600,
                          second * kOneSecond);
  }
  EXPECT_EQ(budget.bytes, 600u);
  budget = FollowMemory({}, budget, {.limit = 500}, kMachine, 600, 20 * kOneSecond);
  EXPECT_EQ(budget.bytes, 450u);  // a limit does
}

}  // namespace
}  // namespace ashlar
