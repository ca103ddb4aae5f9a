#include "ashlar/base/mapped_fault.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ashlar/base/check.h"

namespace ashlar {
namespace {

constexpr int kSlots = 1 << 16;

// The bytes [begin, end) of a guard; begin is 0 while the slot is free. The handler reads slots
// while others change them, and takes no lock: it believes an end when the begin before it and the
// begin after it are one, since an end is written only where begin is 0.
struct Slot {
  std::atomic<std::uintptr_t> begin;
  std::atomic<std::uintptr_t> end;
  std::atomic<bool> faulted;
  int next_free;  // as first_free
};

struct Registry {
  Slot slots[kSlots];
  std::atomic<int> used;  // slots from here on were never taken
  std::atomic<std::uint64_t> faults;
  std::uintptr_t page;
  struct sigaction previous;  // what SIGBUS did before
  bool installed;
  int first_free;    // 1 + the index of a slot that was given back; 0: none (all here begins as
                     // zeros)
  std::mutex mutex;  // for all that the handler does not read
};
constinit Registry registry = {};

// Zeros in place of [begin, end). The bare system call: this runs inside a signal handler, and what
// sanitizers put around mmap() is not made for one.
bool MapZeros(std::uintptr_t begin, std::uintptr_t end) {
  return ::syscall(SYS_mmap, begin, end - begin, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                   -1, 0) != -1;
}

// Whether `address` was guarded; if so reading it works from now on. The zeros go on to the end of
// the guarded bytes: what a file has lost, it has lost from somewhere to its end.
bool Mend(std::uintptr_t address) {
  const std::uintptr_t page = registry.page;
  bool mended = false;
  const int used = registry.used.load();
  for (int i = 0; i < used; ++i) {
    Slot& slot = registry.slots[i];
    const std::uintptr_t begin = slot.begin.load();
    const std::uintptr_t end = slot.end.load();
    if (begin == 0 || address < begin || address >= end || slot.begin.load() != begin) {
      continue;
    }
    mended |= MapZeros(address & ~(page - 1), (end + page - 1) & ~(page - 1));
    slot.faulted.store(true);
    registry.faults.fetch_add(1);
  }
  return mended;
}

void OnBusError(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const bool mended = Mend(reinterpret_cast<std::uintptr_t>(info->si_addr));
  errno = saved_errno;
  if (mended) {
    return;  // the read is tried again
  }
  const struct sigaction& previous = registry.previous;
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    ::sigaction(SIGBUS, &previous, nullptr);  // the read is tried again, and ends the process
  }
}

// Requires: the registry's mutex.
void InstallHandler() {
  if (registry.installed) {
    return;
  }
  registry.page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction action = {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  CHECK(::sigaction(SIGBUS, &action, &registry.previous) == 0);
  registry.installed = true;
}

}  // namespace

FaultGuard::FaultGuard(std::span<const std::byte> mapped) {
  if (mapped.empty()) {
    return;
  }
  const std::scoped_lock lock(registry.mutex);
  InstallHandler();
  if (registry.first_free != 0) {
    slot_ = registry.first_free - 1;
    registry.first_free = registry.slots[slot_].next_free;
  } else if (const int used = registry.used.load(); used < kSlots) {
    slot_ = used;
  } else {
    return;
  }
  Slot& slot = registry.slots[slot_];
  const auto begin = reinterpret_cast<std::uintptr_t>(mapped.data());
  slot.faulted.store(false);
  slot.end.store(begin + mapped.size());
  slot.begin.store(begin);
  registry.used.store(std::max(registry.used.load(), slot_ + 1));
}

FaultGuard::~FaultGuard() {
  if (slot_ == kNone) {
    return;
  }
  const std::scoped_lock lock(registry.mutex);
  registry.slots[slot_].begin.store(0);
  registry.slots[slot_].next_free = std::exchange(registry.first_free, slot_ + 1);
}

bool FaultGuard::faulted() const {
  return slot_ != kNone && registry.slots[slot_].faulted.load();
}

std::uint64_t GuardedFaults() {
  return registry.faults.load();
}

}  // namespace ashlar
