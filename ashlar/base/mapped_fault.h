// A FaultGuard keeps a mapped file that somebody truncates from killing the process.
//
// Reading a mapping past where its file ends now (or where the disk cannot be read) raises SIGBUS.
// While a guard lives, such a read inside its bytes gives zeros instead, and the guard remembers
// it. So nothing that was computed from these bytes may be used before faulted() was asked:
//
//   const FaultGuard guard(file.bytes());
//   Compute(file.bytes());
//   if (guard.faulted()) return Corrupt(...);
//
// What it cannot see: the system gives zeros, and no signal, for the rest of the page of memory in
// which the file now ends. A file cut within its last page, or overwritten in place, is found by
// hashing only (`ashlar fsck`, --verify).
//
// Faults of bytes that nobody guards go to the handler that was there before: as a rule they end
// the process. Thread-safe. A signal has one handler in a process, so the list of guarded bytes is
// the process's too: the one mutable global here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace ashlar {

class FaultGuard {
 public:
  FaultGuard() = default;  // guards nothing
  // `mapped` begins where a page of memory does, and must stay mapped while the guard lives. (Bytes
  // that are no mapping of a file never fault: guarding them does nothing.) Past 65536 guards at
  // once, which is more mappings than Linux gives a process, it guards nothing.
  explicit FaultGuard(std::span<const std::byte> mapped);
  FaultGuard(FaultGuard&& other) noexcept : slot_(std::exchange(other.slot_, kNone)) {}
  FaultGuard& operator=(FaultGuard&& other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~FaultGuard();

  // Whether a read met what is no longer there. Once true it stays so.
  bool faulted() const;

 private:
  static constexpr int kNone = -1;
  int slot_ = kNone;
};

// How many faults all guards have met: as long as it has not grown, no guard need be asked.
std::uint64_t GuardedFaults();

}  // namespace ashlar
