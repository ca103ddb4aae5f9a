// A BlockBinder makes blocks ready to compute: it maps their weights and binds them to kernels,
// each distinct (block, slice, form) once however many nodes of however many networks name it.
//
// Thread-safe, one block at a time. What it returns is immutable, and keeps the blobs mapped while
// it lives.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/runtime/internal/mapped_weights.h"
#include "ashlar/store/blob_store.h"

namespace ashlar::internal {

// What a block's numbers depend on besides its weights and its slice.
struct BlockForm {
  std::string precision;              // PrecisionText
  std::optional<KvFormat> kv_format;  // of the keys and values that it reads; nothing: it has none
  friend auto operator<=>(const BlockForm&, const BlockForm&) = default;
};

struct BoundWeights {
  MappedWeights weights;  // what the block reads
  std::unique_ptr<const BoundBlock> block;
};

class BlockBinder {
 public:
  using Fetch = MappedWeights::Fetch;

  // The context's rope tables must outlive the binder; its kv_format is not read.
  // `check_numbers`: see MappedWeights::Add.
  BlockBinder(Fetch fetch, const BindContext& context, bool check_numbers);

  const BindContext& context() const { return context_; }

  // Requires: a validated network; `kv_format` where the block reads keys and values, nothing
  // where it does not. Errors name the tensor and the blob.
  Result<std::shared_ptr<const BoundWeights>> Bind(const Network& network, int node,
                                                   const Precision& precision,
                                                   std::optional<KvFormat> kv_format);

  // Forgets what nobody uses any more, unless somebody binds just now.
  void Forget();

 private:
  struct Key {
    Digest block;
    Slice slice;
    BlockForm form;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  const Fetch fetch_;
  const BindContext context_;
  const bool check_numbers_;
  std::mutex mutex_;  // of what follows
  std::map<Key, std::weak_ptr<const BoundWeights>> bound_;
};

// Blobs of `store`, hashed when `verify`.
BlockBinder::Fetch FetchFrom(const BlobStore& store, bool verify);
// Zeros in place of every blob, which take no memory: to measure without weights.
BlockBinder::Fetch FetchZeros();

}  // namespace ashlar::internal
