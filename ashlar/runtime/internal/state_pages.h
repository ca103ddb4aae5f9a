// The cached pages of all state of a network, for some tokens: found, held, copied out, put in.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ashlar/runtime/internal/loaded_network.h"
#include "ashlar/runtime/internal/page_table.h"
#include "ashlar/runtime/session.h"

namespace ashlar::internal {

// Whole pages of each slot, held. Move-only.
struct StatePages {
  std::vector<PageTable> slots;
  std::int64_t positions = 0;  // for which the state of every slot is there
};

StatePages FindState(PageCache& cache, const LoadedNetwork& network,
                     std::span<const std::int32_t> tokens, std::uint64_t cache_scope);

// See Engine::SaveSession and Engine::RestoreSession.
Result<Session> CopyState(PageCache& cache, const LoadedNetwork& network,
                          std::span<const std::int32_t> tokens, std::uint64_t cache_scope);
Result<std::int64_t> PutState(PageCache& cache, const LoadedNetwork& network,
                              const Session& session, std::uint64_t cache_scope);

}  // namespace ashlar::internal
