#include "ashlar/runtime/internal/page_cache.h"

#include <algorithm>
#include <bit>

#include "ashlar/base/check.h"

namespace ashlar::internal {
namespace {

// A few pages of a usual size to each bucket: the first thousand of them touch nearly all of the
// memory of buckets, in whatever budget.
std::uint64_t BucketCount(std::uint64_t budget_bytes) {
  constexpr std::uint64_t kUsualBytes = 4 * (16 << 10);
  return std::bit_ceil(std::max<std::uint64_t>(budget_bytes / kUsualBytes, 512));
}

// The finalizer of SplitMix64 (Steele et al. 2014).
std::uint64_t Mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

// What a published page is known by, wherever it lies.
Digest ContentOf(const Page* parent, const Digest& chain, std::span<const std::int32_t> tokens) {
  Hasher hasher;
  hasher.Update(std::as_bytes(std::span((parent != nullptr ? parent->content : Digest()).bytes())));
  hasher.Update(std::as_bytes(std::span(chain.bytes())));
  hasher.Update(std::as_bytes(tokens));
  return hasher.Finish();
}

}  // namespace

PageRef::~PageRef() {
  if (page_ != nullptr) {
    page_->owner->Release(page_);
  }
}

PageRef PageRef::Share() const {
  ++page_->references;
  return PageRef(page_);
}

PageCache::PageCache(std::uint64_t budget_bytes, PageSpill* spill)
    : memory_(budget_bytes),
      bucket_memory_(BucketCount(budget_bytes) * sizeof(void*)),
      buckets_(reinterpret_cast<Page**>(bucket_memory_.data()), BucketCount(budget_bytes)),
      spill_(spill) {}

PageCache::~PageCache() {
  CHECK_EQ(held_, 0u);
}

PageRef PageCache::Allocate(std::uint64_t page_bytes) {
  if (available_bytes() < page_bytes) {
    return {};
  }
  Page* page = memory_.Take(page_bytes);
  while (page == nullptr) {
    EvictOldest();
    page = memory_.Take(page_bytes);
  }
  page->owner = this;
  page->references = 1;
  ++held_;
  return PageRef(page);
}

void PageCache::SetBudget(std::uint64_t bytes) {
  const std::uint64_t held = memory_.taken_bytes() - evictable_;
  memory_.SetBudget(std::min(std::max(bytes, held), memory_.most_bytes()));
}

bool PageCache::Trim() {
  if (!memory_.over_budget()) {
    return false;
  }
  if (!memory_.ReleaseIdle()) {
    EvictOldest();
    CHECK(memory_.ReleaseIdle());
  }
  return true;
}

Page** PageCache::BucketOf(const Page* parent, const Digest& chain,
                           std::span<const std::int32_t> tokens) {
  CHECK_EQ(tokens.size(), static_cast<std::size_t>(kPageLength));
  std::uint64_t hash = Mix(std::bit_cast<std::uintptr_t>(parent) ^ std::hash<Digest>()(chain));
  for (const std::int32_t token : tokens) {
    hash = Mix(hash ^ static_cast<std::uint32_t>(token));
  }
  return &buckets_[hash & (buckets_.size() - 1)];
}

Page* PageCache::FindPublished(const Page* parent, const Digest& chain,
                               std::span<const std::int32_t> tokens) {
  Page* page = *BucketOf(parent, chain, tokens);
  while (page != nullptr && !(page->parent == parent && page->chain == chain &&
                              std::ranges::equal(page->tokens, tokens))) {
    page = page->next_in_bucket;
  }
  return page;
}

void PageCache::Hold(Page* page) {
  if (page->references++ > 0) {
    return;
  }
  ++held_;
  evictable_ -= memory_.PageBytesOf(*page);
  (page->older != nullptr ? page->older->newer : oldest_) = page->newer;
  (page->newer != nullptr ? page->newer->older : newest_) = page->older;
  page->older = page->newer = nullptr;
}

PageRef PageCache::Find(const Page* parent, const Digest& chain,
                        std::span<const std::int32_t> tokens) {
  Page* const page = FindPublished(parent, chain, tokens);
  if (page == nullptr) {
    return spill_ != nullptr ? FindSpilled(parent, chain, tokens) : PageRef();
  }
  if (page->references == 0 && available_bytes() < PageBytesOf(*page)) {
    return {};  // it is to be trimmed
  }
  Hold(page);
  return PageRef(page);
}

PageRef PageCache::FindSpilled(const Page* parent, const Digest& chain,
                               std::span<const std::int32_t> tokens) {
  const Digest content = ContentOf(parent, chain, tokens);
  const std::optional<std::uint64_t> bytes = spill_->Find(content);
  if (!bytes) {
    return {};
  }
  PageRef page = Allocate(*bytes);
  if (!page || !spill_->Read(content, {page.data(), *bytes})) {
    return {};
  }
  return Publish(std::move(page), parent, chain, tokens);
}

PageRef PageCache::Publish(PageRef page, const Page* parent, const Digest& chain,
                           std::span<const std::int32_t> tokens) {
  CHECK(!page.page_->published);
  CHECK(parent == nullptr || (parent->published && parent->references > 0));
  if (Page* const found = FindPublished(parent, chain, tokens)) {
    Hold(found);
    return PageRef(found);
  }
  Page* const added = page.page_;
  added->published = true;
  added->children = 0;
  added->parent = const_cast<Page*>(parent);  // ours: handed out as const to our callers
  added->chain = chain;
  std::ranges::copy(tokens, added->tokens.begin());
  if (spill_ != nullptr) {
    added->content = ContentOf(parent, chain, tokens);
  }
  if (added->parent != nullptr) {
    ++added->parent->children;
  }
  Page** const bucket = BucketOf(parent, chain, tokens);
  added->next_in_bucket = *bucket;
  *bucket = added;
  return page;
}

// Whoever holds a page holds its parents, and lets go of them after it; so of the pages that
// nobody holds, a child is always older than its parent, and the oldest of all is a leaf.
void PageCache::Release(Page* page) {
  CHECK_GT(page->references, 0u);
  if (--page->references > 0) {
    return;
  }
  --held_;
  if (!page->published) {
    memory_.Give(page);
    return;
  }
  evictable_ += memory_.PageBytesOf(*page);
  page->older = newest_;
  (newest_ != nullptr ? newest_->newer : oldest_) = page;
  newest_ = page;
}

void PageCache::EvictOldest() {
  Page* const page = oldest_;
  CHECK_EQ(page->children, 0u);
  oldest_ = page->newer;
  (oldest_ != nullptr ? oldest_->older : newest_) = nullptr;
  page->newer = nullptr;
  evictable_ -= memory_.PageBytesOf(*page);
  Page** link = BucketOf(page->parent, page->chain, page->tokens);
  while (*link != page) {
    link = &(*link)->next_in_bucket;
  }
  *link = page->next_in_bucket;
  if (page->parent != nullptr) {
    --page->parent->children;
  }
  if (spill_ != nullptr) {
    spill_->Put(page->content, {page->data, memory_.PageBytesOf(*page)});
  }
  page->published = false;
  page->parent = nullptr;
  memory_.Give(page);
  ++evictions_;
}

}  // namespace ashlar::internal
