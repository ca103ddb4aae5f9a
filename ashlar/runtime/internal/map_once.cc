#include "ashlar/runtime/internal/map_once.h"

#include <utility>

namespace ashlar::internal {

struct MapOnce::MappedBlob {
  MappedBlob(const Digest& digest, Blob blob_in) : blob(std::move(blob_in)), guard(digest, blob) {}
  const Blob blob;
  const BlobGuard guard;
};

MapOnce::MapOnce(BlockBinder::Fetch fetch) : fetch_(std::move(fetch)) {}

Result<Blob> MapOnce::Fetch(const Digest& digest, std::uint64_t bytes_needed) {
  std::shared_ptr<const MappedBlob> mapped;
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = known_.find(digest); known != known_.end()) {
      mapped = known->second.lock();
    }
  }
  if (mapped == nullptr || mapped->blob.bytes().size() < bytes_needed ||
      !mapped->guard.CheckIntact().ok()) {
    ASHLAR_TRY(Blob blob, fetch_(digest, bytes_needed));  // (may take long: others go on)
    mapped = std::make_shared<const MappedBlob>(digest, std::move(blob));
    const std::lock_guard lock(mutex_);
    known_[digest] = mapped;
    if (known_.size() > sweep_beyond_) {
      std::erase_if(known_, [](const auto& other) { return other.second.expired(); });
      sweep_beyond_ = 2 * known_.size();
    }
  }
  return Blob(mapped->blob.bytes(), mapped);
}

void MapOnce::DropResident(const Level& part) {
  std::shared_ptr<const MappedBlob> mapped;
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = known_.find(part.blob); known != known_.end()) {
      mapped = known->second.lock();
    }
  }
  if (mapped != nullptr && part.offset + part.length <= mapped->blob.bytes().size()) {
    mapped->blob.DropResident(part.offset, part.length);
  }
}

}  // namespace ashlar::internal
