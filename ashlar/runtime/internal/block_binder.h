// A BlockBinder makes blocks ready to compute: it maps their weights and binds them to kernels,
// each distinct (block, slice) once however many nodes of however many networks name it.
//
// Confined. What it returns is immutable, and keeps the blobs mapped while it lives.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/store/blob_store.h"

namespace ashlar::internal {

struct BoundWeights {
  std::unique_ptr<const BoundBlock> block;
  std::vector<Blob> blobs;        // what it reads
  std::vector<BlobGuard> mapped;  // of those that are read where they are mapped

  Status CheckIntact() const;  // of all of them
};

struct BinderOptions {
  bool prefault;  // read every byte of the weights, so that they are resident from the start
  bool check;     // refuse numbers that are none (a scale that is infinite)
};

class BlockBinder {
 public:
  // Gives the bytes of a blob that must hold at least `bytes_needed`.
  using Fetch = std::function<Result<Blob>(const Digest& digest, std::uint64_t bytes_needed)>;

  // The context's rope tables must outlive the binder.
  BlockBinder(Fetch fetch, const BindContext& context, const BinderOptions& options);

  const BindContext& context() const { return context_; }

  // Requires: a validated network. Errors name the tensor and the blob.
  Result<std::shared_ptr<const BoundWeights>> Bind(const Network& network, int node);

 private:
  struct Key {
    Digest block;
    Slice slice;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  Result<BoundTensor> BindTensor(const TensorManifest& tensor, const Shape& used,
                                 BoundWeights& bound);

  const Fetch fetch_;
  const BindContext context_;
  const BinderOptions options_;
  std::map<Key, std::weak_ptr<const BoundWeights>> bound_;
};

// Blobs of `store`, hashed when `verify`.
BlockBinder::Fetch FetchFrom(const BlobStore& store, bool verify);
// Zeros in place of every blob, which take no memory: to measure without weights.
BlockBinder::Fetch FetchZeros();

}  // namespace ashlar::internal
