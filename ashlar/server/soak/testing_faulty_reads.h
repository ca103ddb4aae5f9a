// A BlobStore of which some blobs can be read only sometimes: for tests of what a server does when
// its disk fails.
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "ashlar/store/testing_passing_store.h"

namespace ashlar::testing_soak {

// Passes everything on. While it is armed, every third Get of one of `fragile` is an error, and the
// one after that gives bytes of which one is changed. Thread-safe as `base` is.
class FaultyReads final : public PassingStore {
 public:
  explicit FaultyReads(BlobStore& base) : PassingStore(base) {}

  void SetFragile(std::set<Digest> fragile) { fragile_ = std::move(fragile); }  // before it is used
  void Arm(bool armed) { armed_ = armed; }
  std::int64_t faults() const { return faults_; }

  Result<Blob> Get(const Digest& digest) const override {
    ASHLAR_TRY(Blob blob, PassingStore::Get(digest));
    if (!armed_ || !fragile_.contains(digest)) {
      return blob;
    }
    const std::int64_t turn = reads_++ % 3;
    faults_ += turn != 0 ? 1 : 0;
    if (turn == 1) {
      return Error{ErrorCode::kIo, "reading blob " + digest.ToString() + ": input/output error"};
    }
    if (turn == 2) {
      const auto copy =
          std::make_shared<std::vector<std::byte>>(blob.bytes().begin(), blob.bytes().end());
      copy->at(copy->size() / 2) ^= std::byte{1};
      return Blob(*copy, copy);
    }
    return blob;
  }

 private:
  std::set<Digest> fragile_;
  std::atomic<bool> armed_ = false;
  mutable std::atomic<std::int64_t> reads_ = 0;
  mutable std::atomic<std::int64_t> faults_ = 0;
};

}  // namespace ashlar::testing_soak
