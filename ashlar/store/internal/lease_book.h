// A LeaseBook knows which threads hold which leases of one store object. It makes the one mistake
// that locks alone would turn into a silent deadlock, a thread that waits for itself, an error.
// Thread-safe.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "ashlar/base/file.h"
#include "ashlar/base/result.h"

namespace ashlar::internal {

class LeaseBook {
 public:
  // Stands in the book until it goes, in whichever thread.
  class Entry {
   public:
    Entry(LeaseBook& book, LockMode mode);  // Requires: book.mutex_ held
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    ~Entry();

   private:
    LeaseBook& book_;
    const LockMode mode_;
    const std::thread::id thread_ = std::this_thread::get_id();
  };

  // kConflict when this thread, taking a lease of this mode, would wait for itself.
  Status CheckWait(LockMode mode);
  // Enters at once: for stores that wait by other means.
  std::unique_ptr<Entry> Enter(LockMode mode);
  // Waits until no other lease is in the way.
  Result<std::unique_ptr<Entry>> EnterWhenFree(LockMode mode);

  bool collecting();  // whether any thread holds an exclusive lease

 private:
  Status CheckWaitLocked(LockMode mode) const;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multiset<std::thread::id> writing_;     // under mutex_
  std::multiset<std::thread::id> collecting_;  // under mutex_
};

}  // namespace ashlar::internal
