// A StoredTensor is a tensor's packed bytes in a store, mapped, for whoever wants its numbers: of a
// residual tensor from all of its levels, of a difference added to its base. And how the bytes of
// levels get there.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "ashlar/graph/tensor_manifest.h"
#include "ashlar/store/blob_store.h"

namespace ashlar {

class StoredTensor {
 public:
  // kCorrupt when the bytes are none that the codec writes. `tensor` must outlive this.
  static Result<StoredTensor> Open(const BlobStore& store, const TensorManifest& tensor);

  // Whether bytes() are all of the tensor, packed in that codec, which is not residual.
  bool IsPlain(const Codec& codec) const;
  // Of the first level.
  std::span<const std::byte> bytes() const { return levels_.front().bytes; }
  std::int64_t rows() const;  // a vector is one
  std::int64_t columns() const;
  // Rows [begin, end), all of the columns that are stored (of a vector: one, all its numbers).
  // Thread-safe.
  void Decode(std::int64_t begin, std::int64_t end, float* values) const;
  // The numbers of a tensor of rank 1, checked whole.
  Result<std::vector<float>> Vector() const;
  // kCorrupt when a blob lost bytes while they were read: ask before they are kept.
  Status CheckWhole() const;

 private:
  struct MappedLevel {
    Blob blob;
    BlobGuard guard;
    std::span<const std::byte> bytes;
  };
  StoredTensor(const BlobStore& store, const TensorManifest& tensor)
      : store_(&store), tensor_(&tensor) {}

  const BlobStore* store_;
  const TensorManifest* tensor_;
  std::vector<MappedLevel> levels_;
  std::shared_ptr<const StoredTensor> base_;  // null: none
};

// Stores the levels of a tensor and says where they are: each in a blob of its own, which can be
// had or not; but those that together fit into a page of memory follow each other in one.
Result<std::vector<Level>> PutLevels(BlobStore& store,
                                     std::span<const std::vector<std::byte>> levels);

}  // namespace ashlar
