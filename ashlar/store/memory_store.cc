#include <mutex>
#include <utility>

#include "ashlar/store/blob_store.h"
#include "ashlar/store/internal/lease_book.h"
#include "ashlar/store/internal/tag_check.h"

namespace ashlar {
namespace {

using internal::LeaseBook;
using Bytes = std::vector<std::byte>;

class MemoryStore final : public BlobStore {
 public:
  Result<std::optional<std::uint64_t>> Stat(const Digest& digest) const override {
    const std::scoped_lock lock(mutex_);
    const auto found = blobs_.find(digest);
    return found == blobs_.end() ? std::nullopt
                                 : std::optional<std::uint64_t>(found->second->size());
  }

  Result<Blob> Get(const Digest& digest) const override {
    const std::scoped_lock lock(mutex_);
    const auto found = blobs_.find(digest);
    if (found == blobs_.end()) {
      return NotFound("the store has no blob {}", digest.ToString());
    }
    return Blob(*found->second, found->second);
  }

  Result<Digest> Put(std::span<const std::byte> bytes) override {
    ASHLAR_TRY(const auto lease, BeginWriting());
    return Add(Bytes(bytes.begin(), bytes.end()));
  }

  Result<std::unique_ptr<BlobWriter>> NewBlob() override {
    ASHLAR_TRY(std::unique_ptr<Lease> lease, BeginWriting());
    return std::make_unique<Writer>(*this, std::move(lease));
  }

  Result<std::vector<BlobInfo>> List() const override {
    const std::scoped_lock lock(mutex_);
    std::vector<BlobInfo> blobs;
    for (const auto& [digest, bytes] : blobs_) {
      blobs.push_back({.digest = digest, .size = bytes->size()});
    }
    return blobs;
  }

  Result<Tags> ReadTags() const override {
    const std::scoped_lock lock(mutex_);
    return tags_;
  }

  Status UpdateTags(const std::function<Status(Tags&)>& change) override {
    ASHLAR_TRY(const auto lease, BeginWriting());
    const std::scoped_lock updating(updating_);
    ASHLAR_TRY(const Tags before, ReadTags());
    Tags after = before;
    ASHLAR_TRY(change(after));
    ASHLAR_TRY(internal::CheckNewTags(*this, before, after));
    const std::scoped_lock lock(mutex_);
    tags_ = std::move(after);
    return {};
  }

  Result<std::vector<Root>> Roots() const override {
    const std::scoped_lock lock(mutex_);
    std::vector<Root> roots;
    for (const auto& [name, descriptor] : tags_) {
      roots.push_back({.name = name, .descriptor = descriptor});
    }
    return roots;
  }

  Result<std::unique_ptr<Lease>> BeginWriting() override { return Begin(LockMode::kShared); }
  Result<std::unique_ptr<Lease>> BeginCollecting() override { return Begin(LockMode::kExclusive); }

  Status Remove(const Digest& digest) override {
    CHECK(leases_.collecting());
    const std::scoped_lock lock(mutex_);
    blobs_.erase(digest);
    return {};
  }

  Status Quarantine(const Digest& digest) override {
    CHECK(leases_.collecting());
    const std::scoped_lock lock(mutex_);
    auto blob = blobs_.extract(digest);
    if (blob.empty()) {
      return NotFound("the store has no blob {}", digest.ToString());
    }
    quarantined_.insert_or_assign(digest, std::move(blob.mapped()));
    return {};
  }

  Result<std::uint64_t> SweepTemporaries(Sweep) override {
    CHECK(leases_.collecting());
    return std::uint64_t{0};  // whoever leaves half a blob behind here takes the store with it
  }

 private:
  struct MemoryLease final : Lease {
    explicit MemoryLease(std::unique_ptr<LeaseBook::Entry> entry) : entry(std::move(entry)) {}
    const std::unique_ptr<LeaseBook::Entry> entry;
  };

  class Writer final : public BlobWriter {
   public:
    Writer(MemoryStore& store, std::unique_ptr<Lease> lease)
        : store_(store), lease_(std::move(lease)) {}

    Status Write(std::span<const std::byte> bytes) override {
      bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
      return {};
    }
    Result<Digest> Commit() override { return store_.Add(std::move(bytes_)); }

   private:
    MemoryStore& store_;
    const std::unique_ptr<Lease> lease_;
    Bytes bytes_;
  };

  Result<std::unique_ptr<Lease>> Begin(LockMode mode) {
    ASHLAR_TRY(auto entry, leases_.EnterWhenFree(mode));
    return std::make_unique<MemoryLease>(std::move(entry));
  }

  Digest Add(Bytes bytes) {
    const Digest digest = Sha256(bytes);
    auto blob = std::make_shared<const Bytes>(std::move(bytes));
    const std::scoped_lock lock(mutex_);
    blobs_.try_emplace(digest, std::move(blob));
    return digest;
  }

  LeaseBook leases_;
  std::mutex updating_;  // held from reading the tags to replacing them; before mutex_
  mutable std::mutex mutex_;
  std::map<Digest, std::shared_ptr<const Bytes>> blobs_;        // under mutex_
  std::map<Digest, std::shared_ptr<const Bytes>> quarantined_;  // under mutex_
  Tags tags_;                                                   // under mutex_
};

}  // namespace

std::unique_ptr<BlobStore> NewMemoryStore() {
  return std::make_unique<MemoryStore>();
}

}  // namespace ashlar
