// PageCache hands out pages, counts who holds them, and finds the ones that it has seen before.
//
// A full page may be published under (the page before it, the Merkle key of whose state or value
// it holds, its tokens). Since the page before it is part of the key, the published pages form a
// radix tree by content: a page found stands for the same weights, the same tokens and the same
// history, all the way down. A published page that nobody holds stays until its memory is wanted;
// then the least recently used goes first, always a leaf (see Release).
//
// Confined. Allocates nothing after construction, but for what a spill (page_spill.h) does.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "ashlar/runtime/internal/page_memory.h"
#include "ashlar/runtime/internal/page_spill.h"

namespace ashlar::internal {

// Holds a page while it lives. Move-only; Share() holds it once more.
class PageRef {
 public:
  PageRef() = default;
  PageRef(PageRef&& other) noexcept : page_(std::exchange(other.page_, nullptr)) {}
  PageRef& operator=(PageRef&& other) noexcept {
    std::swap(page_, other.page_);
    return *this;
  }
  ~PageRef();
  PageRef Share() const;

  explicit operator bool() const { return page_ != nullptr; }
  const Page* get() const { return page_; }
  std::byte* data() const { return page_->data; }
  bool shared() const { return page_->references > 1; }

 private:
  friend class PageCache;
  explicit PageRef(Page* page) : page_(page) {}
  Page* page_ = nullptr;
};

class PageCache {
 public:
  // Evicted pages go to `spill`, and are found there. It must outlive this; null: they are gone.
  explicit PageCache(std::uint64_t budget_bytes, PageSpill* spill = nullptr);
  PageCache(const PageCache&) = delete;
  PageCache& operator=(const PageCache&) = delete;
  // Requires: no PageRef is left.
  ~PageCache();

  // A page with any content, evicting what it must. Nothing when the budget is held.
  PageRef Allocate(std::uint64_t page_bytes);

  // The page published under this key, unless holding it would be beyond the budget; it may have
  // to be read from where it was spilled to.
  // Requires: tokens.size() == kPageLength; whoever finds a page holds its parent.
  PageRef Find(const Page* parent, const Digest& chain, std::span<const std::int32_t> tokens);
  // Publishes a full page, which is not written from here on. When the key has a page already,
  // returns that one in its place. Requires: the parent is published (or null) and held.
  PageRef Publish(PageRef page, const Page* parent, const Digest& chain,
                  std::span<const std::int32_t> tokens);

  // Lets nobody take more from now on. Less than what is held is not possible, nor more than the
  // constructor was given: then the nearest that is. What is resident beyond it stays until it is
  // trimmed.
  void SetBudget(std::uint64_t bytes);
  // Gives one page that is beyond the budget back to the system, if need be the oldest that nobody
  // holds. Whether there was one.
  bool Trim();
  // Gives one page that has nothing in it back to the system. Whether there was one.
  bool ReleaseIdle() { return memory_.ReleaseIdle(); }

  std::uint64_t budget() const { return memory_.budget(); }
  std::uint64_t resident_bytes() const { return memory_.resident_bytes(); }
  std::uint64_t most_bytes() const { return memory_.most_bytes(); }
  std::uint64_t PageBytesOf(const Page& page) const { return memory_.PageBytesOf(page); }
  // What Allocate can still give: free memory, and that of pages nobody holds.
  std::uint64_t available_bytes() const {
    return memory_.budget() - memory_.taken_bytes() + evictable_;
  }
  std::uint64_t evictable_bytes() const { return evictable_; }  // of published pages nobody holds
  std::uint64_t evictions() const { return evictions_; }
  // How often Find gave nothing though the page is spilled, since its step had no time to read it.
  std::uint64_t postponed() const { return spill_ != nullptr ? spill_->postponed() : 0; }
  // Of the pages that are held, those that are held until somebody says otherwise (prefix_pins.h):
  // no sequence may count on them.
  std::uint64_t pinned_bytes() const { return pinned_; }
  void set_pinned_bytes(std::uint64_t bytes) { pinned_ = bytes; }

 private:
  friend class PageRef;
  void Release(Page* page);
  void EvictOldest();
  Page** BucketOf(const Page* parent, const Digest& chain, std::span<const std::int32_t> tokens);
  // One that comes back from where it was spilled to.
  PageRef FindSpilled(const Page* parent, const Digest& chain,
                      std::span<const std::int32_t> tokens);
  Page* FindPublished(const Page* parent, const Digest& chain,
                      std::span<const std::int32_t> tokens);
  void Hold(Page* page);

  PageMemory memory_;
  ReservedBytes bucket_memory_;
  std::span<Page*> buckets_;  // a power of two; pages of one bucket are chained
  Page* oldest_ = nullptr;
  Page* newest_ = nullptr;
  std::uint64_t evictable_ = 0;  // bytes of the pages between them
  std::uint64_t evictions_ = 0;
  std::uint64_t pinned_ = 0;
  std::uint64_t held_ = 0;  // pages with references
  PageSpill* const spill_;
};

}  // namespace ashlar::internal
