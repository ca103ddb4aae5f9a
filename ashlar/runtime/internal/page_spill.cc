#include "ashlar/runtime/internal/page_spill.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ashlar::internal {
namespace {

// Of damage, not of malice: the file is this process's own.
std::uint64_t Checksum(std::span<const std::byte> bytes) {
  constexpr std::uint64_t kPrime = 0x9E3779B97F4A7C15;  // as FNV, in words
  std::uint64_t sum = 0xCBF29CE484222325 ^ bytes.size();
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t count = std::min(bytes.size(), sizeof(word));
    std::memcpy(&word, bytes.data(), count);
    sum = (sum ^ word) * kPrime;
    sum ^= sum >> 29;
    bytes = bytes.subspan(count);
  }
  return sum;
}

}  // namespace

PageSpill::PageSpill(std::shared_ptr<SpillFile> file, std::uint64_t capacity_bytes,
                     const Clock& clock)
    : file_(std::move(file)),
      capacity_(capacity_bytes),
      clock_(clock),
      writer_([this] { WriteAll(); }) {}

PageSpill::~PageSpill() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  writer_.join();
}

void PageSpill::Put(const Digest& key, std::span<const std::byte> bytes) {
  {
    const std::lock_guard lock(mutex_);
    if (bytes.size() > capacity_ || queue_bytes_ + bytes.size() > kQueueBytes ||
        entries_.contains(key)) {
      return;
    }
    queue_.push_back({key, {bytes.begin(), bytes.end()}});
    queue_bytes_ += bytes.size();
  }
  changed_.notify_all();
}

std::optional<std::uint64_t> PageSpill::Find(const Digest& key) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) {
    return std::nullopt;
  }
  if (left_micros_ <= 0) {
    ++postponed_;
    return std::nullopt;
  }
  return found->second.size;
}

bool PageSpill::Read(const Digest& key, std::span<std::byte> bytes) {
  const std::int64_t begin = clock_.NowMicros();
  bool read = false;
  {
    // The writer places nothing over it meanwhile.
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found != entries_.end() && found->second.size == bytes.size()) {
      const Entry& entry = found->second;
      read = file_->Read(entry.offset, bytes).ok() && Checksum(bytes) == entry.checksum;
      if (!read) {
        entries_.erase(found);
      }
    }
  }
  left_micros_ -= clock_.NowMicros() - begin;
  pages_read_ += read ? 1 : 0;
  return read;
}

void PageSpill::Flush() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return queue_.empty() && !writing_; });
}

std::uint64_t PageSpill::pages_written() const {
  const std::lock_guard lock(mutex_);
  return pages_written_;
}

void PageSpill::DropOldestIn(std::uint64_t begin, std::uint64_t end) {
  while (!ring_.empty() && ring_.front().offset < end &&
         ring_.front().offset + ring_.front().size > begin) {
    // Its key may have been damaged here, and be elsewhere by now.
    const auto entry = entries_.find(ring_.front().key);
    if (entry != entries_.end() && entry->second.offset == ring_.front().offset) {
      entries_.erase(entry);
    }
    ring_.pop_front();
  }
}

std::uint64_t PageSpill::PlaceFor(std::uint64_t size) {
  if (next_ + size > capacity_) {
    DropOldestIn(next_, capacity_);
    next_ = 0;
  }
  DropOldestIn(next_, next_ + size);
  return std::exchange(next_, next_ + size);
}

void PageSpill::WriteAll() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
    if (ending_) {
      return;
    }
    Waiting page = std::move(queue_.front());
    queue_.pop_front();
    if (!entries_.contains(page.key)) {
      const std::uint64_t offset = PlaceFor(page.bytes.size());
      writing_ = true;
      lock.unlock();
      const std::uint64_t checksum = Checksum(page.bytes);
      const bool written = file_->Write(offset, page.bytes).ok();
      lock.lock();
      writing_ = false;
      if (written) {
        entries_[page.key] = {offset, page.bytes.size(), checksum};
        ring_.push_back({page.key, offset, page.bytes.size()});
        ++pages_written_;
      }
    }
    queue_bytes_ -= page.bytes.size();
    changed_.notify_all();
  }
}

}  // namespace ashlar::internal
