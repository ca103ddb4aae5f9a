#include "ashlar/runtime/internal/page_spill.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/runtime/internal/page_cache.h"

namespace ashlar::internal {
namespace {

constexpr std::uint64_t kSpillPage = 4096;

class TestClock final : public Clock {
 public:
  std::int64_t NowMicros() const override { return micros; }
  std::int64_t micros = 0;
};

// A file in memory that loses, refuses and damages what the test wants it to.
class FaultySpillFile final : public SpillFile {
 public:
  struct Faults {
    std::atomic<bool> refuse_writes = false;
    std::atomic<bool> refuse_reads = false;
    std::atomic<int> damage_one_in = 0;  // of the reads; 0: none
    std::atomic<std::int64_t> read_micros = 0;
    std::atomic<std::int64_t> damaged = 0;
    std::vector<std::byte> bytes;
  };
  FaultySpillFile(Faults& faults, TestClock& clock) : faults_(faults), clock_(clock) {}

  Status Write(std::uint64_t offset, std::span<const std::byte> bytes) override {
    if (faults_.refuse_writes) {
      return Error{ErrorCode::kIo, "no"};
    }
    EXPECT_LE(offset + bytes.size(), faults_.bytes.size()) << "past the end of the file";
    std::ranges::copy(bytes, faults_.bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  Status Read(std::uint64_t offset, std::span<std::byte> bytes) override {
    clock_.micros += faults_.read_micros;
    if (faults_.refuse_reads) {
      return Error{ErrorCode::kIo, "no"};
    }
    std::memcpy(bytes.data(), faults_.bytes.data() + offset, bytes.size());
    if (faults_.damage_one_in != 0 && ++reads_ % faults_.damage_one_in == 0) {
      bytes[bytes.size() / 2] ^= std::byte{4};
      ++faults_.damaged;
    }
    return {};
  }

 private:
  Faults& faults_;
  TestClock& clock_;
  std::int64_t reads_ = 0;
};

class PageSpillTest : public ::testing::Test {
 protected:
  std::unique_ptr<PageSpill> Spill(std::uint64_t pages) {
    faults_.bytes.resize(pages * kSpillPage);
    return std::make_unique<PageSpill>(std::make_shared<FaultySpillFile>(faults_, clock_),
                                       pages * kSpillPage, clock_);
  }
  static Digest Key(int number) { return Sha256(std::to_string(number)); }
  static std::vector<std::byte> Bytes(int number, std::uint64_t size = kSpillPage) {
    return std::vector<std::byte>(size, static_cast<std::byte>(number));
  }
  static bool Has(PageSpill& spill, int number, std::uint64_t size = kSpillPage) {
    const auto found = spill.Find(Key(number));
    if (!found) {
      return false;
    }
    EXPECT_EQ(*found, size);
    std::vector<std::byte> bytes(size);
    if (!spill.Read(Key(number), bytes)) {
      return false;
    }
    EXPECT_EQ(bytes, Bytes(number, size));
    return true;
  }

  TestClock clock_;
  FaultySpillFile::Faults faults_;
};

TEST_F(PageSpillTest, WhatWasPutIsThereUntilNewerPagesTakeItsPlace) {
  const auto spill = Spill(3);
  for (int i = 0; i < 5; ++i) {
    spill->Put(Key(i), Bytes(i));
    spill->Flush();
  }
  EXPECT_FALSE(Has(*spill, 0));
  EXPECT_FALSE(Has(*spill, 1));
  for (int i = 2; i < 5; ++i) {
    EXPECT_TRUE(Has(*spill, i)) << i;
  }
  spill->Put(Key(9), Bytes(9, 2 * kSpillPage));  // has no room behind 4: it takes 2's place and 3's
  spill->Flush();
  EXPECT_TRUE(Has(*spill, 9, 2 * kSpillPage));
  EXPECT_FALSE(Has(*spill, 2));
  spill->Put(Key(10), Bytes(10, 4 * kSpillPage));  // is larger than the file
  spill->Flush();
  EXPECT_FALSE(spill->Find(Key(10)));
}

TEST_F(PageSpillTest, WhatIsDamagedOrCannotBeReadIsNotThereAndCanBePutAgain) {
  const auto spill = Spill(4);
  for (const bool damaged : {true, false}) {
    spill->Put(Key(1), Bytes(1));
    spill->Flush();
    faults_.damage_one_in = damaged ? 1 : 0;
    faults_.refuse_reads = !damaged;
    EXPECT_FALSE(Has(*spill, 1));
    faults_.damage_one_in = 0;
    faults_.refuse_reads = false;
    EXPECT_FALSE(spill->Find(Key(1)));
  }
  faults_.refuse_writes = true;
  spill->Put(Key(1), Bytes(1));
  spill->Flush();
  EXPECT_FALSE(spill->Find(Key(1)));
  faults_.refuse_writes = false;
  for (int i = 1; i < 9; ++i) {  // all the way round
    spill->Put(Key(i), Bytes(i));
    spill->Flush();
    EXPECT_TRUE(Has(*spill, i));
  }
}

TEST_F(PageSpillTest, ReadsTakeNoLongerThanTheyMayAndArePostponed) {
  const auto spill = Spill(8);
  for (int i = 0; i < 8; ++i) {
    spill->Put(Key(i), Bytes(i));
  }
  spill->Flush();
  faults_.read_micros = 1000;
  const auto read = [&] {
    int pages = 0;
    for (int i = 0; i < 8; ++i) {
      pages += Has(*spill, i) ? 1 : 0;
    }
    return pages;
  };
  EXPECT_EQ(read(), 8) << "nothing was said of how long";
  EXPECT_EQ(spill->postponed(), 0u);
  spill->AllowReading(2000);
  EXPECT_EQ(read(), 2);
  EXPECT_EQ(read(), 0);
  EXPECT_EQ(spill->postponed(), 14u);
  EXPECT_FALSE(Has(*spill, 9)) << "what is not there is not postponed";
  EXPECT_EQ(spill->postponed(), 14u);
  spill->AllowReading(0);
  EXPECT_EQ(read(), 1) << "one page always, so that everybody gets on";
}

TEST_F(PageSpillTest, TheFileHasNoName) {
  const TempDirectory directory;
  const Result<std::shared_ptr<SpillFile>> file = OpenSpillFile(directory.path());
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  ASSERT_TRUE((*file)->Write(100'000, Bytes(3)).ok());
  std::vector<std::byte> read(kSpillPage);
  ASSERT_TRUE((*file)->Read(100'000, read).ok());
  EXPECT_EQ(read, Bytes(3));
  EXPECT_FALSE((*file)->Read(100'001, read).ok()) << "past the end";
  // One that was killed before its file had lost its name.
  std::ofstream(directory / "ashlar-pages-Xy12ab") << "left";
  std::ofstream(directory / "of somebody else") << "kept";
  ASSERT_TRUE(OpenSpillFile(directory.path()).ok());
  EXPECT_FALSE(std::filesystem::exists(directory / "ashlar-pages-Xy12ab"));
  EXPECT_TRUE(std::filesystem::exists(directory / "of somebody else"));
  const auto nowhere = OpenSpillFile(directory / "absent");
  ASSERT_FALSE(nowhere.ok());
  EXPECT_EQ(nowhere.error().code, ErrorCode::kNotFound);
}

// Histories of pages over a cache that is much too small and a file that often fails: what is found
// is what was published under exactly that history, whether it was in memory or came back.
TEST_F(PageSpillTest, RandomHistoriesOverAFileThatFailsAgreeWithAModel) {
  std::mt19937_64 random(TestSeed());
  const auto spill = Spill(60);
  PageCache cache(20 * kSpillPage, spill.get());
  std::map<std::vector<std::int32_t>, float> marks;  // history -> what its page holds
  float next_mark = 1;
  const Digest chains[] = {Sha256("one"), Sha256("two")};
  const auto floats = [](const PageRef& page) { return reinterpret_cast<float*>(page.data()); };
  for (int round = 0; round < 3000; ++round) {
    faults_.refuse_writes = random() % 10 == 0;
    faults_.refuse_reads = random() % 10 == 0;
    faults_.damage_one_in = random() % 3 == 0 ? 5 : 0;
    const auto which = static_cast<std::int32_t>(random() % 2);
    const std::uint64_t page_bytes = (1 + which) * kSpillPage;
    std::vector<std::int32_t> history = {which};
    std::vector<PageRef> held;
    for (int depth = 0; depth < 4; ++depth) {
      history.push_back(static_cast<std::int32_t>(random() % 3));
      const std::vector<std::int32_t> tokens(kPageLength, history.back());
      const Page* const parent = held.empty() ? nullptr : held.back().get();
      PageRef page = cache.Find(parent, chains[which], tokens);
      if (page) {
        ASSERT_EQ(floats(page)[0], marks[history]);
        ASSERT_EQ(floats(page)[page_bytes / sizeof(float) - 1], marks[history]);
      } else {
        page = cache.Allocate(page_bytes);
        ASSERT_TRUE(page);
        // What is computed again is the same.
        const float mark = marks.try_emplace(history, next_mark++).first->second;
        std::fill_n(floats(page), page_bytes / sizeof(float), mark);
        page = cache.Publish(std::move(page), parent, chains[which], tokens);
      }
      held.push_back(std::move(page));
    }
    while (!held.empty()) {
      held.pop_back();
    }
    if (round % 16 == 0) {
      spill->Flush();
    }
  }
  EXPECT_GT(spill->pages_read(), 100u);
  EXPECT_GT(faults_.damaged, 10);
  EXPECT_EQ(cache.available_bytes(), cache.budget());
}

}  // namespace
}  // namespace ashlar::internal
