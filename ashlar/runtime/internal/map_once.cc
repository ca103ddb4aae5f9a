#include "ashlar/runtime/internal/map_once.h"

#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace ashlar::internal {
namespace {

struct MappedBlob {
  MappedBlob(const Digest& digest, Blob blob_in) : blob(std::move(blob_in)), guard(digest, blob) {}
  const Blob blob;
  const BlobGuard guard;
};

class MappedBlobs {
 public:
  // Null when there is none to give again.
  std::shared_ptr<const MappedBlob> Find(const Digest& digest, std::uint64_t bytes_needed) {
    const std::lock_guard lock(mutex_);
    const auto known = known_.find(digest);
    std::shared_ptr<const MappedBlob> mapped =
        known == known_.end() ? nullptr : known->second.lock();
    const bool good = mapped != nullptr && mapped->blob.bytes().size() >= bytes_needed &&
                      mapped->guard.CheckIntact().ok();
    return good ? mapped : nullptr;
  }
  void Keep(const Digest& digest, const std::shared_ptr<const MappedBlob>& mapped) {
    const std::lock_guard lock(mutex_);
    known_[digest] = mapped;
    if (known_.size() > sweep_beyond_) {
      std::erase_if(known_, [](const auto& other) { return other.second.expired(); });
      sweep_beyond_ = 2 * known_.size();
    }
  }

 private:
  std::mutex mutex_;
  std::map<Digest, std::weak_ptr<const MappedBlob>> known_;  // some of which are gone
  std::size_t sweep_beyond_ = 64;
};

}  // namespace

BlockBinder::Fetch MapOnce(BlockBinder::Fetch fetch) {
  return [fetch = std::move(fetch), blobs = std::make_shared<MappedBlobs>()](
             const Digest& digest, std::uint64_t bytes_needed) -> Result<Blob> {
    std::shared_ptr<const MappedBlob> mapped = blobs->Find(digest, bytes_needed);
    if (mapped == nullptr) {  // (fetching may take long: others go on)
      ASHLAR_TRY(Blob blob, fetch(digest, bytes_needed));
      mapped = std::make_shared<const MappedBlob>(digest, std::move(blob));
      blobs->Keep(digest, mapped);
    }
    return Blob(mapped->blob.bytes(), mapped);
  };
}

}  // namespace ashlar::internal
