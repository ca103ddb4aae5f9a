// A BlobStore that passes everything on: for tests, which override what is to go otherwise.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ashlar/store/blob_store.h"

namespace ashlar {

// Thread-safe as `base` is, which must outlive it.
class PassingStore : public BlobStore {
 public:
  explicit PassingStore(BlobStore& base) : base_(base) {}

  Result<Blob> Get(const Digest& digest) const override { return base_.Get(digest); }
  Result<std::optional<std::uint64_t>> Stat(const Digest& digest) const override {
    return base_.Stat(digest);
  }
  Result<Digest> Put(std::span<const std::byte> bytes) override { return base_.Put(bytes); }
  Result<std::unique_ptr<BlobWriter>> NewBlob() override { return base_.NewBlob(); }
  Result<std::vector<BlobInfo>> List() const override { return base_.List(); }
  Result<Tags> ReadTags() const override { return base_.ReadTags(); }
  Status UpdateTags(const std::function<Status(Tags&)>& change) override {
    return base_.UpdateTags(change);
  }
  Result<std::vector<Root>> Roots() const override { return base_.Roots(); }
  Result<std::unique_ptr<Lease>> BeginWriting() override { return base_.BeginWriting(); }
  Result<std::unique_ptr<Lease>> BeginCollecting() override { return base_.BeginCollecting(); }
  Status Remove(const Digest& digest) override { return base_.Remove(digest); }
  Status Quarantine(const Digest& digest) override { return base_.Quarantine(digest); }
  Result<std::uint64_t> SweepTemporaries(Sweep sweep) override {
    return base_.SweepTemporaries(sweep);
  }

 private:
  BlobStore& base_;
};

}  // namespace ashlar
