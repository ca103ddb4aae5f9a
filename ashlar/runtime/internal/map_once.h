// One mapping of a blob for all who read it: each counts as resident memory by itself, so a tensor
// that several blocks have (a tied embedding) would count several times.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "ashlar/runtime/internal/block_binder.h"

namespace ashlar::internal {

// Thread-safe when `fetch` is.
class MapOnce {
 public:
  explicit MapOnce(BlockBinder::Fetch fetch);

  // Gives what `fetch` gave, as long as somebody has it, it is large enough, and it has lost no
  // bytes; else asks again.
  Result<Blob> Fetch(const Digest& digest, std::uint64_t bytes_needed);

  // Takes a part of a blob out of this process's memory, if it is mapped (Blob::DropResident): a
  // mapping keeps resident all that was read of it.
  void DropResident(const Level& part);

 private:
  struct MappedBlob;

  const BlockBinder::Fetch fetch_;
  std::mutex mutex_;
  std::map<Digest, std::weak_ptr<const MappedBlob>> known_;  // some of which are gone
  std::size_t sweep_beyond_ = 64;
};

}  // namespace ashlar::internal
