#include "ashlar/base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>

#include "ashlar/base/test_seed.h"

namespace ashlar {
namespace {

class ThreadPoolTest : public testing::TestWithParam<int> {
 protected:
  // Runs a loop and checks that it covered every item once, in ranges as promised.
  static void ExpectExactCover(ThreadPool& pool, std::int64_t count, std::int64_t grain) {
    std::vector<int> calls(count);  // each written by the one thread that has its range
    std::atomic<bool> ranges_fit = true;
    pool.ParallelFor(count, grain, [&](std::int64_t begin, std::int64_t end, int thread) {
      const bool fits = 0 <= begin && begin < end && end <= count && begin % grain == 0 &&
                        (end - begin >= grain || end == count) && 0 <= thread &&
                        thread < pool.threads();
      if (!fits) {
        ranges_fit = false;
        return;
      }
      for (std::int64_t i = begin; i < end; ++i) {
        ++calls[i];
      }
    });
    ASSERT_TRUE(ranges_fit) << count << " items in grains of " << grain;
    ASSERT_EQ(calls, std::vector<int>(count, 1)) << count << " items in grains of " << grain;
  }
};

TEST_P(ThreadPoolTest, CoversEveryItemOnceForEverySmallCountAndGrain) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.threads(), GetParam());
  for (std::int64_t count = 0; count <= 70; ++count) {
    for (const std::int64_t grain : {1, 2, 3, 7, 16, 64, 100}) {
      ExpectExactCover(pool, count, grain);
    }
  }
}

TEST_P(ThreadPoolTest, CoversEveryItemOnceForRandomCountsAndGrains) {
  std::mt19937_64 random(TestSeed());
  ThreadPool pool(GetParam());
  for (int round = 0; round < 100; ++round) {
    ExpectExactCover(pool, static_cast<std::int64_t>(random() % 5000),
                     static_cast<std::int64_t>(1 + random() % 200));
  }
  // More grains than are handed out one by one.
  ExpectExactCover(pool, 1'000'003, 3);
}

TEST_P(ThreadPoolTest, RangesBecomeSmallerTowardsTheEndAndOfItemsThatAreAlikeBeginLarger) {
  ThreadPool pool(GetParam());
  const std::int64_t threads = GetParam();
  if (threads == 1) {
    GTEST_SKIP() << "one thread takes all at once";
  }
  const auto ranges_of = [&](ThreadPool::Items items) {
    std::mutex mutex;
    std::map<std::int64_t, std::int64_t> ranges;  // by begin
    pool.ParallelFor(
        64 * threads, 1,
        [&](std::int64_t begin, std::int64_t end, int) {
          const std::lock_guard lock(mutex);
          ranges[begin] = end - begin;
        },
        items);
    return ranges;
  };
  for (const auto& [items, largest] :
       {std::pair{ThreadPool::Items::kAlike, 32}, std::pair{ThreadPool::Items::kUneven, 8}}) {
    const std::map<std::int64_t, std::int64_t> ranges = ranges_of(items);
    EXPECT_EQ(ranges.begin()->second, largest);
    std::int64_t before = largest;
    for (const auto& [begin, size] : ranges) {
      EXPECT_LE(size, before);
      EXPECT_LE(size, std::max<std::int64_t>((64 * threads - begin) / threads, 1));
      before = size;
    }
    EXPECT_EQ(before, 1);
  }
}

// A worker that still looks at a short loop's ticket may already see a long loop's description.
TEST_P(ThreadPoolTest, ALongLoopRightAfterAShortOneIsCoveredOnce) {
  ThreadPool pool(GetParam());
  std::vector<std::atomic<int>> calls(64);
  for (int round = 1; round <= 5000; ++round) {
    for (const std::int64_t count : {2, 64}) {
      pool.ParallelFor(count, 1, [&](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t i = begin; i < end; ++i) {
          ++calls[i];
        }
      });
    }
    for (int i = 0; i < 64; ++i) {
      ASSERT_EQ(calls[i], round * (i < 2 ? 2 : 1));
    }
  }
}

TEST_P(ThreadPoolTest, LoopsThatFollowEachOtherSeeEachOthersWrites) {
  ThreadPool pool(GetParam());
  std::vector<std::int64_t> values(64);
  constexpr int kLoops = 2000;
  for (int loop = 0; loop < kLoops; ++loop) {
    // Each item reads its neighbour's value of the loop before.
    std::vector<std::int64_t> next(values.size());
    pool.ParallelFor(64, 4, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t i = begin; i < end; ++i) {
        next[i] = values[(i + 1) % 64] + 1;
      }
    });
    values.swap(next);
  }
  EXPECT_EQ(values, std::vector<std::int64_t>(64, kLoops));
}

TEST_P(ThreadPoolTest, WorkersThatSleepWakeForTheNextLoop) {
  ThreadPool pool(GetParam(), /*spin_us=*/0);
  for (int loop = 0; loop < 200; ++loop) {
    ExpectExactCover(pool, 40, 1);
    if (loop % 20 == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
}

TEST_P(ThreadPoolTest, AThreadRunsOneRangeAtATime) {
  ThreadPool pool(GetParam());
  std::vector<std::atomic<bool>> busy(GetParam());
  std::atomic<bool> shared = false;
  for (int loop = 0; loop < 200; ++loop) {
    pool.ParallelFor(100, 1, [&](std::int64_t, std::int64_t, int thread) {
      if (busy[thread].exchange(true)) {
        shared = true;
      }
      std::this_thread::yield();
      busy[thread] = false;
    });
  }
  EXPECT_FALSE(shared);
}

TEST_P(ThreadPoolTest, EndsWhetherItsWorkersSpinOrSleepOrNeverRan) {
  for (const int spin_us : {0, 1000}) {
    for (int round = 0; round < 20; ++round) {
      ThreadPool pool(GetParam(), spin_us);
      if (round % 2 == 0) {
        ExpectExactCover(pool, 10, 1);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, testing::Range(1, 9));

TEST(ThreadPool, EveryThreadTakesPartInALoopThatIsLongEnough) {
  ThreadPool pool(3);
  std::mutex mutex;
  std::set<int> seen;
  // A range ends only when all threads have one: each of them must come, whoever is slow.
  std::atomic<int> arrived = 0;
  pool.ParallelFor(3, 1, [&](std::int64_t, std::int64_t, int thread) {
    {
      const std::lock_guard lock(mutex);
      seen.insert(thread);
    }
    ++arrived;
    while (arrived < 3) {
      std::this_thread::yield();
    }
  });
  EXPECT_EQ(seen, (std::set<int>{0, 1, 2}));
}

TEST(ThreadPool, TheCallerSleepsUntilASlowWorkerIsDone) {
  ThreadPool pool(2, /*spin_us=*/0);
  for (int loop = 0; loop < 5; ++loop) {
    std::atomic<int> arrived = 0;
    std::atomic<bool> worker_done = false;
    pool.ParallelFor(2, 1, [&](std::int64_t, std::int64_t, int thread) {
      ++arrived;
      while (arrived < 2) {
        std::this_thread::yield();
      }
      if (thread == 1) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        worker_done = true;
      }
    });
    EXPECT_TRUE(worker_done);
  }
}

double SecondsOf(clockid_t clock) {
  std::timespec now{};
  EXPECT_EQ(::clock_gettime(clock, &now), 0);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// As the thread that sends a step's tokens does, when all cores compute. In what the spinning
// thread itself has of the processor until then: other processes have it too.
TEST(ThreadPool, AWorkerThatSpinsLetsThoseThatWaitForItsCoreHaveItFirst) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);  // the pool's thread too
  std::vector<double> spun_us;
  {
    ThreadPool pool(2, /*spin_us=*/20'000);
    for (int round = 0; round < 48; ++round) {
      std::atomic<bool> taken = false;
      clockid_t worker{};
      double done = 0;  // of the worker's time
      pool.ParallelFor(2, 1, [&](std::int64_t, std::int64_t, int thread) {
        if (thread == 0) {
          taken.wait(false);
          spun_us.push_back(1e6 * (SecondsOf(worker) - done));
        } else {
          const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
          while (std::chrono::steady_clock::now() < end) {
          }
          EXPECT_EQ(::pthread_getcpuclockid(::pthread_self(), &worker), 0);
          done = SecondsOf(worker);
          taken = true;
          taken.notify_one();
        }
      });
    }
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
  // (The system may interrupt either of them in some of the rounds.)
  std::ranges::sort(spun_us);
  ASSERT_GE(spun_us.size(), 16u);
  EXPECT_LT(spun_us[spun_us.size() / 4], 500) << "the other way it is the rest of a tick";
}

TEST(ThreadPool, ASmallLoopRunsWholeOnTheCallersThread) {
  ThreadPool pool(4);
  const std::thread::id caller = std::this_thread::get_id();
  int calls = 0;
  pool.ParallelFor(8, 8, [&](std::int64_t begin, std::int64_t end, int thread) {
    ++calls;
    EXPECT_EQ(begin, 0);
    EXPECT_EQ(end, 8);
    EXPECT_EQ(thread, 0);
    EXPECT_EQ(std::this_thread::get_id(), caller);
  });
  EXPECT_EQ(calls, 1);
}

TEST(ThreadPool, TwoPoolsWorkSideBySide) {
  const auto sum_with_own_pool = [](std::int64_t* sum) {
    ThreadPool pool(3);
    std::atomic<std::int64_t> total = 0;
    for (int loop = 0; loop < 500; ++loop) {
      pool.ParallelFor(100, 3, [&](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t i = begin; i < end; ++i) {
          total += i;
        }
      });
    }
    *sum = total;
  };
  std::int64_t sums[2] = {};
  std::thread other(sum_with_own_pool, &sums[0]);
  sum_with_own_pool(&sums[1]);
  other.join();
  EXPECT_EQ(sums[0], 500 * 4950);
  EXPECT_EQ(sums[1], 500 * 4950);
}

TEST(ThreadPoolDeathTest, ALoopInsideALoopAbortsEvenWithOneThread) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        ThreadPool pool(1);
        pool.ParallelFor(1, 1, [&](std::int64_t, std::int64_t, int) {
          pool.ParallelFor(1, 1, [](std::int64_t, std::int64_t, int) {});
        });
      },
      "CHECK failed");
}

TEST(ThreadPoolDeathTest, NoThreadsOrNoGrainAborts) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(ThreadPool(0), "CHECK failed");
  EXPECT_DEATH(
      {
        ThreadPool pool(1);
        pool.ParallelFor(1, 0, [](std::int64_t, std::int64_t, int) {});
      },
      "CHECK failed");
}

}  // namespace
}  // namespace ashlar
