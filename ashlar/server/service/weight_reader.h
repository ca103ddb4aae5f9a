// Brings weights from disk into the system's memory before an engine maps them, so that no step
// waits for a disk.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "ashlar/graph/tensor_manifest.h"
#include "ashlar/store/blob_store.h"

namespace ashlar::internal {

struct ReadOptions {
  bool verify = false;                      // hash each blob, all of it
  std::uint64_t bytes_per_second = 0;       // 0: as fast as the disk gives them
  const std::atomic<bool>* stop = nullptr;  // ends the reading early, as kConflict; null: never
};

// Reads the parts once. They stay in the system's cache, not in this process: mapping them does
// not wait for the disk then. kCorrupt when one is missing, cut short or (verify) not what its
// digest says.
Status ReadParts(std::span<const Level> parts, const BlobStore& store, const ReadOptions& options);

}  // namespace ashlar::internal
