// Prefixes whose cached pages are held until somebody says otherwise.
//
// A page that several pins hold is counted once. Pins take at most half of the budget, and never so
// much that a request which is there could not get its pages: so pinning is refused, and nothing
// that was promised ever fails for it. Confined.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>

#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/internal/state_pages.h"

namespace ashlar::internal {

class PrefixPins {
 public:
  // `cache` must outlive it.
  explicit PrefixPins(PageCache& cache) : cache_(cache) {}

  // See Engine::PinPrefix. `needed`: what a request that is there may come to hold.
  Result<PinnedPrefix> Pin(const LoadedNetwork& network, std::span<const std::int32_t> tokens,
                           std::uint64_t cache_scope, std::uint64_t needed);
  Status Unpin(PrefixId prefix);

  std::uint64_t bytes() const { return cache_.pinned_bytes(); }

 private:
  PageCache& cache_;
  std::map<PrefixId, StatePages> prefixes_;
  std::unordered_map<const Page*, int> pins_;  // how many hold it
  std::uint64_t next_id_ = 1;
};

}  // namespace ashlar::internal
