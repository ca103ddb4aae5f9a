#include "ashlar/base/usable_cores.h"

#include <fstream>
#include <numeric>

#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/base/thread_pool.h"

namespace ashlar::internal {
namespace {

// Describes a machine by the files in which Linux would.
class UsableCoresTest : public testing::Test {
 protected:
  void File(const std::string& name, std::string_view text) const {
    const Path path = root_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text << '\n';
  }
  // CPU i and CPU i + cores are the two threads of core i.
  void TwoThreadsPerCore(int cores) const {
    for (int cpu = 0; cpu < 2 * cores; ++cpu) {
      File(fmt::format("sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu),
           fmt::format("{},{}", cpu % cores, cpu % cores + cores));
    }
  }
  int Count(int cpus) const {
    std::vector<int> list(cpus);
    std::iota(list.begin(), list.end(), 0);
    return CountUsableCores(list, root_.path());
  }

  TempDirectory root_;
};

TEST_F(UsableCoresTest, ThreadsOfOneCoreCountOnce) {
  TwoThreadsPerCore(8);
  EXPECT_EQ(Count(16), 8);
}

TEST_F(UsableCoresTest, OnlyAllowedCpusCount) {
  TwoThreadsPerCore(8);
  EXPECT_EQ(CountUsableCores({1, 9}, root_.path()), 1);
  EXPECT_EQ(CountUsableCores({1, 2, 9}, root_.path()), 2);
}

TEST_F(UsableCoresTest, WithoutATopologyEachCpuIsACore) {
  EXPECT_EQ(Count(6), 6);
  EXPECT_EQ(Count(0), 1);
}

TEST_F(UsableCoresTest, AVersionTwoQuotaLimits) {
  File("proc/self/cgroup", "0::/pod/box");
  File("sys/fs/cgroup/pod/box/cpu.max", "350000 100000");
  EXPECT_EQ(Count(8), 3);
  EXPECT_EQ(Count(2), 2);
}

TEST_F(UsableCoresTest, TheTightestGroupAroundTheProcessLimits) {
  File("proc/self/cgroup", "0::/pod/box");
  File("sys/fs/cgroup/pod/box/cpu.max", "max 100000");
  File("sys/fs/cgroup/pod/cpu.max", "200000 100000");
  EXPECT_EQ(Count(8), 2);
}

TEST_F(UsableCoresTest, InAContainerTheGroupIsTheMountItself) {
  File("proc/self/cgroup", "0::/outside/of/the/container");
  File("sys/fs/cgroup/cpu.max", "400000 100000");
  EXPECT_EQ(Count(8), 4);
}

TEST_F(UsableCoresTest, AQuotaBelowOneCpuIsOneCore) {
  File("proc/self/cgroup", "0::/");
  File("sys/fs/cgroup/cpu.max", "50000 100000");
  EXPECT_EQ(Count(8), 1);
}

TEST_F(UsableCoresTest, AVersionOneQuotaLimits) {
  File("proc/self/cgroup", "5:memory:/box\n4:cpu,cpuacct:/box\n3:cpuset:/");
  File("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "200000");
  File("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us", "100000");
  EXPECT_EQ(Count(8), 2);
  File("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "-1");
  EXPECT_EQ(Count(8), 8);
}

TEST_F(UsableCoresTest, NonsenseLimitsNothing) {
  File("proc/self/cgroup", "0::/\nnonsense\n::::\n");
  for (const char* text : {"", "max", "abc 100000", "100000", "100000 0", "1 2 3", "-5 100000"}) {
    File("sys/fs/cgroup/cpu.max", text);
    EXPECT_EQ(Count(8), 8) << text;
  }
}

TEST(UsableCores, OfThisMachineAreAtLeastOneAndAtMostItsCpus) {
  EXPECT_FALSE(AffinityMask().empty());
  EXPECT_GE(ThreadPool::UsableCores(), 1);
  EXPECT_LE(ThreadPool::UsableCores(), static_cast<int>(AffinityMask().size()));
}

}  // namespace
}  // namespace ashlar::internal
