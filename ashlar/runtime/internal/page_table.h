// The pages of one sequence of positions, and what they are found by.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ashlar/runtime/internal/page_cache.h"

namespace ashlar::internal {

// The pages of one slot of one sequence, first positions first. Move-only.
class PageTable {
 public:
  PageTable() = default;
  PageTable(PageTable&&) = default;
  PageTable& operator=(PageTable&&) = default;
  ~PageTable() { Clear(); }

  void Reserve(std::int64_t pages);
  void Append(PageRef page);
  void Replace(std::int64_t index, PageRef page);
  PageRef Take(std::int64_t index) { return std::move(pages_[index]); }
  // Lets go of the pages, last ones first, as PageCache wants it.
  void Clear() { Truncate(0); }
  void Truncate(std::int64_t pages);

  std::int64_t size() const { return static_cast<std::int64_t>(pages_.size()); }
  const PageRef& operator[](std::int64_t index) const { return pages_[index]; }
  std::byte* const* data() const { return data_.data(); }  // as kernels read them

 private:
  std::vector<PageRef> pages_;
  std::vector<std::byte*> data_;
};

// What pages are published under: a digest, and the positions that each stands for.
struct PageChain {
  Digest key = {};
  std::int64_t positions = kPageLength;
};

// What pages with this Merkle key are published under, for those who share the cache.
Digest ScopedKey(const Digest& merkle_key, std::uint64_t cache_scope);

// Appends the cached pages of these tokens, from where the table ends to the first that is not
// there. Requires: what the table has is of the same chain and tokens, and published.
void FindPages(PageCache& cache, const PageChain& chain, std::span<const std::int32_t> tokens,
               PageTable& table);
// Publishes the pages of the table that are full when positions below `end` are done, from the one
// numbered `published` on, and counts it up.
void PublishPages(PageCache& cache, const PageChain& chain, std::span<const std::int32_t> tokens,
                  std::int64_t end, PageTable& table, std::int64_t& published);

}  // namespace ashlar::internal
