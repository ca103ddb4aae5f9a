// Prefixes whose cached pages are held until somebody says otherwise.
//
// A page that several pins hold is counted once. Pins take at most half of what pages may come to
// take, and never so much that a request which is there could not get its pages: so pinning is
// refused, and nothing that was promised ever fails for it. Confined.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>

#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/internal/state_pages.h"

namespace ashlar::internal {

struct PinLimits {
  std::uint64_t needed = 0;  // what a request that is there may come to hold
  std::uint64_t most = 0;    // what all pages may come to take
};

class PrefixPins {
 public:
  // `cache` must outlive it.
  explicit PrefixPins(PageCache& cache) : cache_(cache) {}

  // See Engine::PinPrefix.
  Result<PinnedPrefix> Pin(const LoadedNetwork& network, std::span<const std::int32_t> tokens,
                           std::uint64_t cache_scope, const PinLimits& limits);
  Status Unpin(PrefixId prefix);

  std::uint64_t bytes() const { return cache_.pinned_bytes(); }

 private:
  PageCache& cache_;
  std::map<PrefixId, StatePages> prefixes_;
  std::unordered_map<const Page*, int> pins_;  // how many hold it
  std::uint64_t next_id_ = 1;
};

}  // namespace ashlar::internal
