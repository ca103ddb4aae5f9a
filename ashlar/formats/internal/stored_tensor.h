// A StoredTensor is a tensor's packed bytes in a store, mapped, for writing them into a file.
#pragma once

#include <span>
#include <vector>

#include "ashlar/graph/tensor_manifest.h"
#include "ashlar/store/blob_store.h"

namespace ashlar::internal {

class StoredTensor {
 public:
  // kCorrupt when the bytes are none that the codec writes. `tensor` must outlive this.
  static Result<StoredTensor> Open(const BlobStore& store, const TensorManifest& tensor);

  std::span<const std::byte> bytes() const { return bytes_; }
  // Rows [begin, end), all of the columns that are stored (of a vector: one, all its numbers).
  void Decode(std::int64_t begin, std::int64_t end, float* values) const;
  // The numbers of a tensor of rank 1, checked whole.
  Result<std::vector<float>> Vector() const;
  // kCorrupt when the blob lost bytes while they were read: ask before they are kept.
  Status CheckWhole() const { return guard_.CheckWhole(*store_); }

 private:
  StoredTensor(const BlobStore& store, const TensorManifest& tensor, Blob blob, BlobGuard guard,
               std::span<const std::byte> bytes)
      : store_(&store),
        tensor_(&tensor),
        blob_(std::move(blob)),
        guard_(std::move(guard)),
        bytes_(bytes) {}

  const BlobStore* store_;
  const TensorManifest* tensor_;
  Blob blob_;
  BlobGuard guard_;
  std::span<const std::byte> bytes_;
};

}  // namespace ashlar::internal
