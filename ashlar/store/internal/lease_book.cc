#include "ashlar/store/internal/lease_book.h"

namespace ashlar::internal {

LeaseBook::Entry::Entry(LeaseBook& book, LockMode mode) : book_(book), mode_(mode) {
  (mode_ == LockMode::kShared ? book_.writing_ : book_.collecting_).insert(thread_);
}

LeaseBook::Entry::~Entry() {
  const std::scoped_lock lock(book_.mutex_);
  auto& holders = mode_ == LockMode::kShared ? book_.writing_ : book_.collecting_;
  holders.erase(holders.find(thread_));
  book_.changed_.notify_all();
}

Status LeaseBook::CheckWaitLocked(LockMode mode) const {
  const std::thread::id self = std::this_thread::get_id();
  if (collecting_.contains(self)) {
    return Conflict("this thread is collecting the store's garbage: it must end that first");
  }
  if (mode == LockMode::kExclusive && writing_.contains(self)) {
    return Conflict(
        "this thread is writing to the store: it must end that before it can collect garbage");
  }
  return {};
}

Status LeaseBook::CheckWait(LockMode mode) {
  const std::scoped_lock lock(mutex_);
  return CheckWaitLocked(mode);
}

std::unique_ptr<LeaseBook::Entry> LeaseBook::Enter(LockMode mode) {
  const std::scoped_lock lock(mutex_);
  return std::make_unique<Entry>(*this, mode);
}

Result<std::unique_ptr<LeaseBook::Entry>> LeaseBook::EnterWhenFree(LockMode mode) {
  std::unique_lock lock(mutex_);
  ASHLAR_TRY(CheckWaitLocked(mode));
  changed_.wait(
      lock, [&] { return collecting_.empty() && (mode == LockMode::kShared || writing_.empty()); });
  return std::make_unique<Entry>(*this, mode);
}

bool LeaseBook::collecting() {
  const std::scoped_lock lock(mutex_);
  return !collecting_.empty();
}

}  // namespace ashlar::internal
