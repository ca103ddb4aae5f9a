#include "ashlar/runtime/internal/page_memory.h"

#include <algorithm>
#include <new>
#include <utility>

#include <sys/mman.h>

#include "ashlar/base/check.h"
#include "ashlar/plan/plan.h"

namespace ashlar::internal {

ReservedBytes::ReservedBytes(std::uint64_t size) : size_(size) {
  void* const data = mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(data != MAP_FAILED);
  data_ = static_cast<std::byte*>(data);
}

ReservedBytes::ReservedBytes(ReservedBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}

ReservedBytes::~ReservedBytes() {
  if (data_ != nullptr) {
    munmap(data_, size_);
  }
}

void ReservedBytes::Release(std::uint64_t offset, std::uint64_t length) {
  CHECK_EQ(madvise(data_ + offset, length, MADV_DONTNEED), 0);
}

std::uint64_t PageMemory::PageBytes(std::uint64_t bytes) {
  return StatePageBytes(bytes);
}

std::uint32_t PageMemory::ClassOf(std::uint64_t page_bytes) {
  for (std::uint32_t i = 0; i < sizes_.size(); ++i) {
    if (sizes_[i].page_bytes == page_bytes) {
      return i;
    }
  }
  const std::uint64_t capacity = most_ / page_bytes;
  sizes_.push_back({page_bytes, capacity, ReservedBytes(capacity * page_bytes + 1),
                    ReservedBytes(capacity * sizeof(Page) + 1)});
  return static_cast<std::uint32_t>(sizes_.size() - 1);
}

bool PageMemory::ReleaseIdle() {
  for (SizeClass& size : sizes_) {
    if (Page* const page = size.idle; page != nullptr) {
      size.idle = page->next_free;
      page->next_free = size.released;
      size.released = page;
      size.data.Release(page->data - size.data.data(), size.page_bytes);
      idle_ -= size.page_bytes;
      return true;
    }
  }
  return false;
}

bool PageMemory::MakeRoom(std::uint64_t bytes) {
  const std::uint64_t most = std::max(budget_, resident_bytes());
  while (resident_bytes() + bytes > most) {
    if (!ReleaseIdle()) {
      return false;
    }
  }
  return true;
}

void PageMemory::SetBudget(std::uint64_t bytes) {
  CHECK_LE(bytes, most_);
  budget_ = bytes;
}

Page* PageMemory::Take(std::uint64_t page_bytes) {
  const std::uint32_t size_class = ClassOf(page_bytes);
  SizeClass& size = sizes_[size_class];
  if (Page* const page = size.idle; page != nullptr) {
    size.idle = page->next_free;
    idle_ -= page_bytes;
    taken_ += page_bytes;
    return page;
  }
  if (!MakeRoom(page_bytes)) {  // of what idle pages of other sizes hold
    return nullptr;
  }
  taken_ += page_bytes;
  if (Page* const page = size.released; page != nullptr) {
    size.released = page->next_free;
    return page;
  }
  CHECK_LT(size.made, size.capacity);
  const std::uint64_t index = size.made++;
  Page* const page = new (size.pages.data() + index * sizeof(Page)) Page;
  page->data = size.data.data() + index * page_bytes;
  page->size_class = size_class;
  return page;
}

void PageMemory::Give(Page* page) {
  SizeClass& size = sizes_[page->size_class];
  page->next_free = size.idle;
  size.idle = page;
  taken_ -= size.page_bytes;
  idle_ += size.page_bytes;
}

}  // namespace ashlar::internal
