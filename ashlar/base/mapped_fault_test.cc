#include "ashlar/base/mapped_fault.h"

#include <csignal>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/file.h"
#include "ashlar/base/temp_directory.h"

namespace ashlar {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kSize = 8 * kPage + 100;

class MappedFault : public ::testing::Test {
 protected:
  MappedFile MapNew(const char* name) {
    const std::string text(kSize, 'x');
    const auto file = *RealFileSystem().Create(directory_ / name);
    EXPECT_TRUE(file->Write(AsBytes(text)).ok());
    return *RealFileSystem().Map(directory_ / name);
  }
  void Truncate(const char* name, std::size_t size) {
    ASSERT_EQ(::truncate((directory_ / name).c_str(), static_cast<off_t>(size)), 0);
  }
  static std::size_t CountX(std::span<const std::byte> bytes) {
    std::size_t count = 0;
    for (const volatile std::byte& byte : bytes) {  // volatile: every one is read, whoever asks
      count += byte == std::byte{'x'} ? 1 : 0;
    }
    return count;
  }

  TempDirectory directory_;
};

TEST_F(MappedFault, WhatAGuardedFileHasLostReadsAsZeros) {
  const MappedFile file = MapNew("a");
  const FaultGuard guard(file.bytes());
  EXPECT_EQ(CountX(file.bytes()), kSize);
  EXPECT_FALSE(guard.faulted());
  const std::uint64_t before = GuardedFaults();
  Truncate("a", 2 * kPage + 7);
  EXPECT_EQ(CountX(file.bytes()), 2 * kPage + 7);
  EXPECT_TRUE(guard.faulted());
  EXPECT_GT(GuardedFaults(), before);
  EXPECT_EQ(CountX(file.bytes()), 2 * kPage + 7);  // and again
}

TEST_F(MappedFault, EveryPlaceOfAnEmptiedFileCanBeRead) {
  for (const std::size_t at : {std::size_t{0}, kPage - 1, 3 * kPage, kSize - 1}) {
    const MappedFile file = MapNew("a");
    const FaultGuard guard(file.bytes());
    Truncate("a", 0);
    EXPECT_EQ(static_cast<int>(*static_cast<const volatile std::byte*>(&file.bytes()[at])), 0);
    EXPECT_TRUE(guard.faulted());
    EXPECT_EQ(CountX(file.bytes()), 0u);
    std::filesystem::remove(directory_ / "a");
  }
}

TEST_F(MappedFault, OneGuardKnowsNothingOfAnothersFault) {
  const MappedFile a = MapNew("a");
  const MappedFile b = MapNew("b");
  const FaultGuard guard_a(a.bytes());
  FaultGuard first_b(b.bytes());
  const FaultGuard guard_b = std::move(first_b);
  Truncate("b", 0);
  EXPECT_EQ(CountX(a.bytes()) + CountX(b.bytes()), kSize);
  EXPECT_FALSE(guard_a.faulted());
  EXPECT_FALSE(first_b.faulted());
  EXPECT_TRUE(guard_b.faulted());
}

TEST_F(MappedFault, ASlotThatIsUsedAgainBeginsWithoutAFault) {
  const MappedFile file = MapNew("a");
  {
    const FaultGuard guard(file.bytes());
    Truncate("a", 0);
    CountX(file.bytes());
    EXPECT_TRUE(guard.faulted());
  }
  const FaultGuard guard(file.bytes());
  EXPECT_FALSE(guard.faulted());
}

TEST_F(MappedFault, ManyThreadsMayMeetTheFaultAtOnceWhileGuardsComeAndGo) {
  const MappedFile other = MapNew("other");
  for (int round = 0; round < 20; ++round) {
    const MappedFile file = MapNew("a");
    const FaultGuard guard(file.bytes());
    Truncate("a", kPage);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        for (int j = 0; j < 50; ++j) {
          const FaultGuard mine(other.bytes());
        }
        EXPECT_EQ(CountX(i % 2 == 0 ? file.bytes() : file.bytes().subspan(kPage)),
                  i % 2 == 0 ? kPage : 0);
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    EXPECT_TRUE(guard.faulted());
    std::filesystem::remove(directory_ / "a");
  }
}

using MappedFaultDeathTest = MappedFault;

TEST_F(MappedFaultDeathTest, AFaultThatNobodyGuardsEndsTheProcessAsBefore) {
  const MappedFile guarded = MapNew("a");
  const MappedFile bare = MapNew("b");
  const FaultGuard guard(guarded.bytes());
  { const FaultGuard gone(bare.bytes()); }
  Truncate("b", 0);
  EXPECT_DEATH(CountX(bare.bytes()), "");
}

TEST_F(MappedFaultDeathTest, AHandlerThatWasThereBeforeStillGetsOtherFaults) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a new process, where no guard was made yet
  const MappedFile file = MapNew("a");
  const auto die_politely = [&] {
    struct sigaction action = {};
    action.sa_handler = [](int) {
      static_cast<void>(!::write(STDERR_FILENO, "the old handler\n", 16));
      ::_exit(3);
    };
    ::sigaction(SIGBUS, &action, nullptr);
    const FaultGuard guard(file.bytes().first(kPage));
    Truncate("a", 0);
    CountX(file.bytes().subspan(4 * kPage));
  };
  EXPECT_EXIT(die_politely(), ::testing::ExitedWithCode(3), "the old handler");
}

}  // namespace
}  // namespace ashlar
