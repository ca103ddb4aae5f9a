// A MemoryPlan predicts, from manifests alone, the bytes that running some networks will keep
// resident: weights (each distinct range of a blob once, in whole pages of memory), state pages,
// workspace. It is made before anything is loaded, and refuses with numbers what cannot fit.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ashlar/base/result.h"
#include "ashlar/graph/network.h"
#include "ashlar/tensor/kv_format.h"

namespace ashlar {

struct PlanRequest {
  std::span<const Network* const> networks;
  std::int64_t max_positions = 4096;  // of one sequence
  std::int64_t max_sequences = 1;     // at once, of whichever network needs most
  KvFormat kv_format = KvFormat::kF32;
  Precision precision = {};           // of the residual tensors; those not in it have all levels
  std::uint64_t workspace_bytes = 0;  // as the runtime measured by a dry run
  std::uint64_t process_bytes = 0;    // resident before loading: the program itself
  std::uint64_t page_bytes = 0;       // budget of state pages; 0: as many as the sequences need
};

struct MemoryPlan {
  std::uint64_t weight_bytes = 0;        // resident, shared ones counted once
  std::uint64_t weight_bytes_apart = 0;  // what they would take if each network had its own copy
  std::uint64_t page_bytes = 0;          // state pages
  std::uint64_t workspace_bytes = 0;
  std::uint64_t process_bytes = 0;
  std::uint64_t total() const {
    return weight_bytes + page_bytes + workspace_bytes + process_bytes;
  }
};

// Positions in a page of state.
inline constexpr std::int64_t kPositionsPerPage = 16;

// What a state page of so many bytes takes: whole pages of the system's memory.
std::uint64_t StatePageBytes(std::uint64_t bytes);

// A page of a state slot: the state of so many positions, or a carried state once, as it is after
// the last of them. A page of carried state stands for more positions the larger the state is (16
// to 1024), so that a sequence takes about the memory that attention of its width would.
struct StatePage {
  std::int64_t positions;
  std::uint64_t bytes;       // from StatePageBytes
  std::uint64_t used_bytes;  // the first so many of them; the rest is padding
};
// Requires: interface.stateful().
StatePage StatePageOf(const Interface& interface, KvFormat kv_format);

// State bytes that each position adds, over all slots of the network; and that are carried.
std::uint64_t StateBytesPerPosition(const Network& network, KvFormat kv_format);
std::uint64_t CarriedStateBytes(const Network& network);

// Bytes of all the pages that a sequence of so many positions holds.
std::uint64_t SequencePageBytes(const Network& network, std::int64_t positions, KvFormat kv_format);

MemoryPlan PredictMemory(const PlanRequest& request);

// The plan, when it fits `budget` bytes; kExhausted says each part, the total and the budget.
Result<MemoryPlan> PlanWithin(const PlanRequest& request, std::uint64_t budget);

// "300M", "1.5GiB", "2000000" -> bytes: a number and B, K, M, G or T (powers of 1000) or Ki, Mi,
// Gi, Ti (of 1024), with or without a B after it. kInvalid says what is accepted.
Result<std::uint64_t> ParseBytes(std::string_view text);
std::string FormatBytes(std::uint64_t bytes);  // "25.2 MB"

}  // namespace ashlar
