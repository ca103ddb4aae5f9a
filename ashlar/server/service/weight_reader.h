// Brings weights from disk into the system's memory before an engine maps them, so that no step
// waits for a disk.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <span>

#include "ashlar/graph/tensor_manifest.h"
#include "ashlar/store/blob_store.h"

namespace ashlar::internal {

struct ReadOptions {
  bool verify = false;                      // hash each blob, all of it
  std::uint64_t bytes_per_second = 0;       // 0: as fast as the disk gives them
  const std::atomic<bool>* stop = nullptr;  // ends the reading early, as kConflict; null: never
  std::function<void()> after_piece = {};   // called after each megabyte
};

// Lets steps go on beside a thread that does a lot. A system that looks 250 times a second who is
// to run next lets such a thread hold up a step for 4 ms, or several times that: so it does its
// work in short pieces, and rests between them. Confined to that thread.
class BackgroundPace {
 public:
  // `busy`: whether somebody waits for tokens now. Must outlive this.
  explicit BackgroundPace(const std::atomic<bool>& busy) : busy_(busy) {}
  // After a piece: while it is busy, rests three times as long as the processor has worked on it.
  // Returns for how long.
  std::chrono::nanoseconds Rest();

 private:
  // Of processor time that this thread has had.
  static std::chrono::nanoseconds Worked();

  const std::atomic<bool>& busy_;
  std::chrono::nanoseconds rested_at_ = Worked();
};

// Reads the parts once. They stay in the system's cache, not in this process: mapping them does
// not wait for the disk then. kCorrupt when one is missing, cut short or (verify) not what its
// digest says.
Status ReadParts(std::span<const Level> parts, const BlobStore& store, const ReadOptions& options);

}  // namespace ashlar::internal
