// The weights of a block, mapped: of each tensor what it has at a precision, where kernels can read
// it. Confined while tensors are added; immutable then. Keeps the blobs mapped while it lives.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "ashlar/graph/precision.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/store/blob_store.h"

namespace ashlar::internal {

class MappedWeights {
 public:
  // Gives the bytes of a blob that must hold at least `bytes_needed`.
  using Fetch = std::function<Result<Blob>(const Digest& digest, std::uint64_t bytes_needed)>;

  // The used part of `tensor`, which lives as long as this does. Of levels, and of bands of levels,
  // that the precision has not, no byte is read; of the others only where they are copied, or their
  // numbers checked. kCorrupt names the blob that does not hold it, or has numbers that are none (a
  // scale that is infinite).
  Result<BoundTensor> Add(const TensorManifest& tensor, const Shape& used,
                          const Precision& precision, const Fetch& fetch, bool check_numbers);

  // Reads every byte that is used, so that it is resident.
  void Touch() const;

  // kCorrupt when bytes that are read where they are mapped have gone.
  Status CheckIntact() const;

 private:
  // What a BoundTensor of a residual codec points to.
  struct Levels {
    std::vector<const std::byte*> begins;
    TensorPrecision rows;
    BoundTensor base;
  };
  // Where the level begins, of which `parts` are made ready.
  Result<const std::byte*> Map(const TensorManifest& tensor, int level,
                               std::span<const Level> parts, const Fetch& fetch,
                               bool check_numbers);

  std::map<Digest, Blob> fetched_;
  std::vector<Blob> kept_;  // copies, and what was fetched of a blob before more of it was
  std::vector<std::span<const std::byte>> used_;  // of what is fetched
  std::vector<BlobGuard> guards_;                 // of what is read where it is mapped
  std::deque<Levels> levels_;                     // stays where it is
};

}  // namespace ashlar::internal
