#include "ashlar/runtime/internal/page_cache.h"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"

namespace ashlar::internal {
namespace {

constexpr std::uint64_t kSmall = 4096;
constexpr std::uint64_t kLarge = 3 * 4096;

Digest Chain(int number) {
  return Sha256(std::to_string(number));
}

// The tokens of a page, all alike.
std::vector<std::int32_t> Tokens(std::int32_t token) {
  return std::vector<std::int32_t>(kPageLength, token);
}

float* FloatsOf(const PageRef& page) {
  return reinterpret_cast<float*>(page.data());
}

TEST(PageMemory, PagesOfOneSizeUseTheBytesOfAnother) {
  PageMemory memory(kLarge);
  std::vector<Page*> small;
  for (int i = 0; i < 3; ++i) {
    small.push_back(memory.Take(kSmall));
    ASSERT_NE(small.back(), nullptr);
    std::fill_n(small.back()->data, kSmall, std::byte{1});
  }
  EXPECT_EQ(memory.Take(kSmall), nullptr);
  EXPECT_EQ(memory.Take(kLarge), nullptr);
  for (Page* page : small) {
    memory.Give(page);
  }
  Page* const large = memory.Take(kLarge);
  ASSERT_NE(large, nullptr);
  EXPECT_EQ(memory.taken_bytes(), kLarge);
  EXPECT_EQ(memory.Take(kSmall), nullptr);
  memory.Give(large);
  Page* const again = memory.Take(kSmall);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->data[0], std::byte{0});  // its memory had been given back meanwhile
}

TEST(PageMemory, APageLargerThanTheBudgetCannotBeHad) {
  PageMemory memory(kSmall);
  EXPECT_EQ(memory.Take(kLarge), nullptr);
}

TEST(PageMemory, WhatASmallerBudgetLeavesFreeGoesBackToTheSystem) {
  PageMemory memory(4 * kSmall);
  std::vector<Page*> pages;
  for (int i = 0; i < 4; ++i) {
    pages.push_back(memory.Take(kSmall));
    std::fill_n(pages.back()->data, kSmall, std::byte{1});
  }
  memory.Give(pages[0]);
  memory.Give(pages[1]);
  memory.SetBudget(3 * kSmall);
  EXPECT_TRUE(memory.over_budget());
  EXPECT_TRUE(memory.ReleaseIdle());
  EXPECT_FALSE(memory.over_budget());
  Page* const kept = memory.Take(kSmall);  // the last to be given back to the system
  EXPECT_EQ(kept->data[0], std::byte{1});
  EXPECT_EQ(memory.Take(kSmall), nullptr);
  memory.SetBudget(4 * kSmall);
  Page* const released = memory.Take(kSmall);
  ASSERT_NE(released, nullptr);
  EXPECT_EQ(released->data[0], std::byte{0});
}

TEST(PageCache, ASmallerBudgetTakesWhatNobodyHoldsTheOldestFirstAndNothingElse) {
  PageCache cache(4 * kSmall);
  const PageRef held = cache.Publish(cache.Allocate(kSmall), nullptr, Chain(1), Tokens(0));
  for (int i = 1; i < 4; ++i) {
    cache.Publish(cache.Allocate(kSmall), nullptr, Chain(1), Tokens(i));
  }
  cache.SetBudget(2 * kSmall);
  EXPECT_EQ(cache.budget(), 2 * kSmall);
  while (cache.Trim()) {
  }
  EXPECT_EQ(cache.resident_bytes(), 2 * kSmall);
  EXPECT_EQ(cache.evictions(), 2u);
  EXPECT_FALSE(cache.Find(nullptr, Chain(1), Tokens(2)));
  EXPECT_TRUE(cache.Find(nullptr, Chain(1), Tokens(3)));
  cache.SetBudget(0);
  EXPECT_EQ(cache.budget(), kSmall);  // what is held
  EXPECT_FALSE(cache.Allocate(kSmall));
  EXPECT_EQ(cache.Find(nullptr, Chain(1), Tokens(0)).get(), held.get());
  cache.SetBudget(100 * kSmall);
  EXPECT_EQ(cache.budget(), 4 * kSmall);
  EXPECT_TRUE(cache.Allocate(kSmall));
}

TEST(PageCache, WhileASmallerBudgetIsTrimmedToPagesAreFoundAndTakenAndNoMoreIsResident) {
  PageCache cache(8 * kSmall);
  for (int i = 0; i < 8; ++i) {
    cache.Publish(cache.Allocate(kSmall), nullptr, Chain(1), Tokens(i));
  }
  cache.SetBudget(3 * kSmall);
  EXPECT_EQ(cache.available_bytes(), 3 * kSmall);
  std::vector<PageRef> held;
  held.push_back(cache.Find(nullptr, Chain(1), Tokens(0)));  // the oldest, until now
  EXPECT_TRUE(held.back());
  EXPECT_TRUE(cache.Trim());
  EXPECT_EQ(cache.resident_bytes(), 7 * kSmall);
  held.push_back(cache.Allocate(kSmall));  // of what another had
  EXPECT_EQ(cache.resident_bytes(), 7 * kSmall);
  EXPECT_EQ(cache.evictions(), 2u);
  held.push_back(cache.Allocate(kSmall));
  EXPECT_EQ(cache.available_bytes(), 0u);
  EXPECT_FALSE(cache.Allocate(kSmall));
  EXPECT_FALSE(cache.Find(nullptr, Chain(1), Tokens(7)));  // there, but nobody may have more
  while (cache.Trim()) {
  }
  EXPECT_EQ(cache.resident_bytes(), 3 * kSmall);
  EXPECT_EQ(cache.evictable_bytes(), 0u);
}

TEST(PageCache, APublishedPageIsFoundUnderItsWholeHistoryOnly) {
  PageCache cache(100 * kSmall);
  PageRef first = cache.Publish(cache.Allocate(kSmall), nullptr, Chain(1), Tokens(5));
  PageRef second = cache.Publish(cache.Allocate(kSmall), first.get(), Chain(1), Tokens(6));
  EXPECT_EQ(cache.Find(nullptr, Chain(1), Tokens(5)).get(), first.get());
  EXPECT_EQ(cache.Find(first.get(), Chain(1), Tokens(6)).get(), second.get());
  EXPECT_FALSE(cache.Find(nullptr, Chain(1), Tokens(6)));      // another page before it
  EXPECT_FALSE(cache.Find(nullptr, Chain(2), Tokens(5)));      // other weights
  EXPECT_FALSE(cache.Find(first.get(), Chain(1), Tokens(7)));  // other tokens
}

TEST(PageCache, PublishingWhatIsThereGivesThePageThatIsThere) {
  PageCache cache(100 * kSmall);
  const PageRef one = cache.Publish(cache.Allocate(kSmall), nullptr, Chain(1), Tokens(5));
  const std::uint64_t available = cache.available_bytes();
  const PageRef two = cache.Publish(cache.Allocate(kSmall), nullptr, Chain(1), Tokens(5));
  EXPECT_EQ(one.get(), two.get());
  EXPECT_EQ(cache.available_bytes(), available);
}

TEST(PageCache, TheLeastRecentlyUsedPageThatNobodyHoldsGoesFirst) {
  PageCache cache(3 * kSmall);
  for (int i = 0; i < 3; ++i) {
    cache.Publish(cache.Allocate(kSmall), nullptr, Chain(1), Tokens(i));
  }
  cache.Find(nullptr, Chain(1), Tokens(0));  // used, and let go
  const PageRef held = cache.Find(nullptr, Chain(1), Tokens(1));
  EXPECT_EQ(cache.available_bytes(), 2 * kSmall);
  const PageRef added = cache.Allocate(kSmall);
  EXPECT_TRUE(added);
  EXPECT_FALSE(cache.Find(nullptr, Chain(1), Tokens(2)));
  EXPECT_TRUE(cache.Find(nullptr, Chain(1), Tokens(0)));
  EXPECT_EQ(cache.evictions(), 1u);
}

TEST(PageCache, LeavesGoBeforeTheirParents) {
  PageCache cache(3 * kSmall);
  {
    std::vector<PageRef> chain;
    for (int i = 0; i < 3; ++i) {
      chain.push_back(cache.Publish(cache.Allocate(kSmall), i > 0 ? chain[i - 1].get() : nullptr,
                                    Chain(1), Tokens(i)));
    }
    while (!chain.empty()) {
      chain.pop_back();
    }
  }
  PageRef one = cache.Allocate(kSmall);
  PageRef first = cache.Find(nullptr, Chain(1), Tokens(0));
  ASSERT_TRUE(first);
  PageRef second = cache.Find(first.get(), Chain(1), Tokens(1));
  ASSERT_TRUE(second);
  EXPECT_FALSE(cache.Find(second.get(), Chain(1), Tokens(2)));
}

TEST(PageCache, NothingCanBeHadWhenEverythingIsHeld) {
  PageCache cache(2 * kSmall);
  const PageRef one = cache.Allocate(kSmall);
  PageRef two = cache.Allocate(kSmall);
  EXPECT_FALSE(cache.Allocate(kSmall));
  two = {};
  EXPECT_TRUE(cache.Allocate(kSmall));
}

TEST(PageCache, APageLivesUntilTheLastWhoHoldsItLetsGo) {
  PageCache cache(kSmall);
  PageRef one = cache.Allocate(kSmall);
  PageRef two = one.Share();
  EXPECT_TRUE(one.shared());
  one = {};
  EXPECT_FALSE(two.shared());
  EXPECT_FALSE(cache.Allocate(kSmall));
  two = {};
  EXPECT_TRUE(cache.Allocate(kSmall));
}

// Random sequences over a cache that is much too small and changes, against a model that knows what
// each published page holds: whatever is found is what was published under exactly that history, no
// page has two uses at once, bytes always add up, and what is resident grows within the budget
// only.
TEST(PageCache, RandomOperationsAgreeWithAModel) {
  std::mt19937_64 random(TestSeed());
  constexpr std::uint64_t kBudget = 40 * kSmall;
  PageCache cache(kBudget);
  struct Table {
    int chain;
    std::vector<std::int32_t> tokens;  // one per page
    std::vector<PageRef> pages;
    std::vector<float> marks;  // what each page holds
    ~Table() {
      while (!pages.empty()) {
        pages.pop_back();
      }
    }
  };
  std::vector<std::unique_ptr<Table>> tables;
  std::map<std::pair<int, std::vector<std::int32_t>>, float> published;  // history -> last mark
  float next_mark = 1;
  const auto bytes_of = [](int chain) { return chain % 2 == 0 ? kSmall : kLarge; };
  const auto prefix = [](const Table& table, std::size_t count) {
    return std::vector(table.tokens.begin(), table.tokens.begin() + count);
  };
  std::uint64_t hits = 0;
  std::uint64_t trimmed = 0;
  std::uint64_t resident = 0;
  for (int round = 0; round < 20000; ++round) {
    const auto what = random() % 10;
    if (random() % 50 == 0) {
      cache.SetBudget(random() % 2 == 0 ? kBudget : random() % kBudget);
    } else if (random() % 3 == 0) {
      trimmed += cache.Trim() ? 1 : 0;
    }
    if (tables.empty() || (what == 0 && tables.size() < 8)) {
      auto table = std::make_unique<Table>();
      table->chain = static_cast<int>(random() % 4);
      tables.push_back(std::move(table));
    } else if (what == 1) {
      tables.erase(tables.begin() + static_cast<std::ptrdiff_t>(random() % tables.size()));
    } else {
      Table& table = *tables[random() % tables.size()];
      if (table.pages.size() >= 6) {
        continue;
      }
      table.tokens.push_back(static_cast<std::int32_t>(random() % 2));
      const Page* const parent = table.pages.empty() ? nullptr : table.pages.back().get();
      const auto history = std::pair(table.chain, prefix(table, table.tokens.size()));
      PageRef page = cache.Find(parent, Chain(table.chain), Tokens(table.tokens.back()));
      if (page) {
        ++hits;
        ASSERT_TRUE(published.contains(history));
        ASSERT_EQ(FloatsOf(page)[0], published[history]);
      } else {
        page = cache.Allocate(bytes_of(table.chain));
        if (!page) {
          ASSERT_LT(cache.available_bytes(), bytes_of(table.chain));
          table.tokens.pop_back();
          continue;
        }
        std::fill_n(FloatsOf(page), bytes_of(table.chain) / sizeof(float), next_mark);
        published[history] = next_mark++;
        page =
            cache.Publish(std::move(page), parent, Chain(table.chain), Tokens(table.tokens.back()));
      }
      table.marks.push_back(FloatsOf(page)[0]);
      table.pages.push_back(std::move(page));
    }
    std::map<const Page*, std::uint64_t> held;
    for (const auto& table : tables) {
      for (std::size_t i = 0; i < table->pages.size(); ++i) {
        ASSERT_EQ(FloatsOf(table->pages[i])[0], table->marks[i]);
        held[table->pages[i].get()] = bytes_of(table->chain);
      }
    }
    std::uint64_t held_bytes = 0;
    for (const auto& [page, bytes] : held) {
      held_bytes += bytes;
    }
    ASSERT_EQ(cache.available_bytes(), cache.budget() - held_bytes);
    ASSERT_LE(cache.resident_bytes(), std::max(cache.budget(), resident));
    resident = cache.resident_bytes();
  }
  EXPECT_GT(trimmed, 100u);
  EXPECT_GT(hits, 100u);
  EXPECT_GT(cache.evictions(), 100u);
  tables.clear();
  cache.SetBudget(kBudget);
  EXPECT_EQ(cache.available_bytes(), kBudget);
}

}  // namespace
}  // namespace ashlar::internal
