// A PageSpill keeps pages that the cache has evicted in a file, to have them back when a prefix
// wants them.
//
// The file is a ring: a new page takes the place of the oldest ones. A page is known by its content
// key, the digest of all that its bits follow from (page_cache.h), and carries a checksum; whatever
// is lost, late or damaged is not there, and is computed again. The file has no name, so nothing
// remains of it when the process ends, however it ends.
//
// A step never waits for a write: pages are copied to a queue, and a thread of the spill's own
// writes them; what the queue has no room for is not kept. Reads are waited for, as long as they
// are allowed to take. What is known of a page takes some 150 bytes of memory. Confined, apart from
// that thread.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <unordered_map>
#include <vector>

#include "ashlar/base/clock.h"
#include "ashlar/runtime/spill_file.h"
#include "ashlar/store/digest.h"

namespace ashlar::internal {

class PageSpill {
 public:
  static constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();
  static constexpr std::uint64_t kQueueBytes = 16 << 20;  // copied, and not yet written

  // `clock` must outlive it.
  PageSpill(std::shared_ptr<SpillFile> file, std::uint64_t capacity_bytes, const Clock& clock);
  ~PageSpill();

  // From here on reads may take so long, and a page more.
  void AllowReading(std::int64_t micros) { left_micros_ = std::max<std::int64_t>(micros, 1); }

  // Keeps a copy, if there is room for it.
  void Put(const Digest& key, std::span<const std::byte> bytes);
  // How many bytes the page with this key has; nothing when it is not there (any more, or yet), or
  // when reads have taken their time: that is counted as postponed.
  std::optional<std::uint64_t> Find(const Digest& key);
  std::uint64_t postponed() const { return postponed_; }
  // Reads a page that Find found. False: it was not what was written, or could not be read; it is
  // gone then.
  bool Read(const Digest& key, std::span<std::byte> bytes);
  // Waits until all that was put is written. For tests.
  void Flush();

  std::uint64_t pages_written() const;
  std::uint64_t pages_read() const { return pages_read_; }

 private:
  struct Entry {
    std::uint64_t offset;
    std::uint64_t size;
    std::uint64_t checksum;
  };
  struct Place {
    Digest key;
    std::uint64_t offset;
    std::uint64_t size;
  };
  struct Waiting {
    Digest key;
    std::vector<std::byte> bytes;
  };
  void WriteAll();
  // Where a page of `size` bytes goes, after making room there. Requires: the lock.
  std::uint64_t PlaceFor(std::uint64_t size);
  void DropOldestIn(std::uint64_t begin, std::uint64_t end);

  const std::shared_ptr<SpillFile> file_;
  const std::uint64_t capacity_;
  const Clock& clock_;
  std::int64_t left_micros_ = kNoLimit;
  std::uint64_t postponed_ = 0;
  std::uint64_t pages_read_ = 0;

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::unordered_map<Digest, Entry> entries_;
  std::deque<Place> ring_;  // in the order of writing, and of places; the front goes first
  std::uint64_t next_ = 0;  // offset of the next one
  std::deque<Waiting> queue_;
  std::uint64_t queue_bytes_ = 0;
  bool writing_ = false;
  bool ending_ = false;
  std::uint64_t pages_written_ = 0;

  std::thread writer_;  // last: it uses all of the above
};

}  // namespace ashlar::internal
