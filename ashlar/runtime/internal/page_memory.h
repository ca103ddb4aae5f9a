// PageMemory is the memory of all pages: one budget of bytes for pages of several sizes.
//
// Each size has an address range of its own as large as the whole budget, of which only pages that
// were used take memory. So a page of one size can always be had for the bytes of another
// (madvise gives them back), nothing ever fragments, and taking and giving allocate nothing.
// Confined.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ashlar/kernels/attention/attention.h"
#include "ashlar/store/digest.h"

namespace ashlar::internal {

class PageCache;

// What there is to know of a page. Lives in PageMemory; an address is a page's for ever.
struct Page {
  std::byte* data = nullptr;
  std::uint32_t size_class = 0;
  Page* next_free = nullptr;

  // The rest is PageCache's.
  PageCache* owner = nullptr;
  std::uint32_t references = 0;
  // ---- Valid while `published`.
  bool published = false;
  std::uint32_t children = 0;  // published pages whose parent this is
  Page* parent = nullptr;      // the page before this one, or null
  Digest chain;                // whose pages: Merkle key of a state slot or of a value
  Digest content;              // of the page before it, chain and tokens; where pages are spilled
  std::array<std::int32_t, kPageLength> tokens = {};
  Page* next_in_bucket = nullptr;
  // ---- Linked while published and unreferenced, least recently used first.
  Page* older = nullptr;
  Page* newer = nullptr;
};

// Zero-filled memory that is taken from the system page by page, when it is first touched.
class ReservedBytes {
 public:
  explicit ReservedBytes(std::uint64_t size);
  ReservedBytes(ReservedBytes&& other) noexcept;
  ReservedBytes& operator=(ReservedBytes&&) = delete;
  ~ReservedBytes();
  std::byte* data() const { return data_; }
  // Gives the memory of a range back; it reads as zeros then. Requires: whole system pages.
  void Release(std::uint64_t offset, std::uint64_t length);

 private:
  std::byte* data_;
  std::uint64_t size_;
};

class PageMemory {
 public:
  explicit PageMemory(std::uint64_t budget_bytes) : most_(budget_bytes), budget_(budget_bytes) {}
  PageMemory(const PageMemory&) = delete;
  PageMemory& operator=(const PageMemory&) = delete;

  // What a page of so many bytes takes: whole pages of the system, so that it can be given back.
  static std::uint64_t PageBytes(std::uint64_t bytes);

  // A page of `page_bytes` (from PageBytes) with any content, or null when that would make more
  // resident than the budget, or more than is.
  Page* Take(std::uint64_t page_bytes);
  void Give(Page* page);

  // The most that may be resident from now on, at most what the constructor was given. What is
  // above it stays until it is released.
  void SetBudget(std::uint64_t bytes);
  bool over_budget() const { return resident_bytes() > budget_; }
  // Gives a free page back to the system. Whether there was one.
  bool ReleaseIdle();

  std::uint64_t PageBytesOf(const Page& page) const { return sizes_[page.size_class].page_bytes; }
  std::uint64_t budget() const { return budget_; }
  std::uint64_t most_bytes() const { return most_; }
  std::uint64_t resident_bytes() const { return taken_ + idle_; }  // of pages that were touched
  std::uint64_t taken_bytes() const { return taken_; }

 private:
  struct SizeClass {
    std::uint64_t page_bytes;
    std::uint64_t capacity;  // pages that fit the budget
    ReservedBytes data;
    ReservedBytes pages;  // Page[capacity], the first `made` of them constructed
    std::uint64_t made = 0;
    Page* idle = nullptr;      // free, and still holding memory
    Page* released = nullptr;  // free, and given back
  };
  std::uint32_t ClassOf(std::uint64_t page_bytes);
  // Gives idle pages back to the system until so many bytes more are within the budget, or no more
  // than were resident. Whether they are.
  bool MakeRoom(std::uint64_t bytes);

  const std::uint64_t most_;  // budgets are never above
  std::uint64_t budget_;
  std::uint64_t taken_ = 0;
  std::uint64_t idle_ = 0;  // bytes
  std::vector<SizeClass> sizes_;
};

}  // namespace ashlar::internal
