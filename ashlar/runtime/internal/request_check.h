// Whether a request can be had of a network: ids, lengths, options, memory.
#pragma once

#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/internal/loaded_network.h"

namespace ashlar::internal {

// What pages may come to take.
struct PageRoom {
  std::uint64_t most = 0;    // all of them
  std::uint64_t pinned = 0;  // of that, by pinned prefixes: not for requests
};

// See Engine::Submit.
Status CheckRequest(const Request& request, const LoadedNetwork& network, const PageRoom& room);

}  // namespace ashlar::internal
