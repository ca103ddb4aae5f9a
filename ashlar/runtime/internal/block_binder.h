// A BlockBinder makes blocks ready to compute: it maps their weights and binds them to kernels,
// each distinct (block, slice, precision) once however many nodes of however many networks name it.
//
// Confined. What it returns is immutable, and keeps the blobs mapped while it lives.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/runtime/internal/mapped_weights.h"
#include "ashlar/store/blob_store.h"

namespace ashlar::internal {

struct BoundWeights {
  MappedWeights weights;  // what the block reads
  std::unique_ptr<const BoundBlock> block;
};

class BlockBinder {
 public:
  using Fetch = MappedWeights::Fetch;

  // The context's rope tables must outlive the binder.
  BlockBinder(Fetch fetch, const BindContext& context, const BinderOptions& options);

  const BindContext& context() const { return context_; }

  // Requires: a validated network. Errors name the tensor and the blob.
  Result<std::shared_ptr<const BoundWeights>> Bind(const Network& network, int node,
                                                   const Precision& precision);

  // Forgets what nobody uses any more.
  void Forget();

 private:
  struct Key {
    Digest block;
    Slice slice;
    std::string precision;  // PrecisionText
    friend auto operator<=>(const Key&, const Key&) = default;
  };

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
