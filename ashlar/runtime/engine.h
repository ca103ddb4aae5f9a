// An Engine runs requests on any number of networks at once, one step at a time.
//
// A step collects rows (one per decoding sequence, a chunk of each prompt that is being read),
// runs every block once for all rows that meet at it, whatever network they belong to, and
// delivers tokens. Which rows share a step never changes a result: see DESIGN of exactness in the
// module's README. Confined to one thread; the pool inside uses as many as it is given.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ashlar/base/clock.h"
#include "ashlar/graph/network.h"
#include "ashlar/kernels/isa.h"
#include "ashlar/plan/plan.h"
#include "ashlar/runtime/sampler.h"
#include "ashlar/store/blob_store.h"

namespace ashlar {

struct EngineOptions {
  int threads = 1;
  Isa isa = Isa::kReference;
  std::int64_t max_positions = 4096;    // of any one sequence, prompt and output
  std::int64_t max_rows = 512;          // per step; also the largest chunk of a prompt
  std::int64_t max_sequences = 16;      // running at once; others wait
  std::uint64_t page_bytes = 256 << 20; // budget of all pages: running and cached
  bool prefix_cache = true;
  bool verify_blobs = false;            // hash every blob while loading
};

enum class NetworkId : std::uint32_t {};
enum class RequestId : std::uint64_t {};

enum class FinishReason : std::uint8_t { kNone, kStop, kLength, kCancelled };

struct Request {
  NetworkId network;
  std::vector<std::int32_t> prompt;     // at least one id, each below the network's vocabulary
  std::int64_t max_tokens = 16;         // new ones; prompt + max_tokens <= max_positions
  SamplingOptions sampling;
  std::vector<std::int32_t> stop_tokens;  // finish before delivering one of these
  // All logits of the prompt's rows too, for evaluation; bypasses cached pages' shortcut.
  bool prompt_logits = false;
};

// What happened to a request in a step. Views are valid until the next call on the engine.
struct Delivery {
  RequestId request;
  std::optional<SampledToken> token;    // none when the step only read more of the prompt
  FinishReason finish = FinishReason::kNone;
  // prompt_logits only: rows first_position, first_position + 1, ... [count, vocabulary].
  std::int64_t logits_first_position = 0;
  std::span<const float> logits;
};

// Counters since the engine was made. What the tests of sharing read.
struct EngineCounters {
  std::uint64_t steps = 0;
  std::uint64_t rows = 0;               // rows collected (per sequence, not per node)
  std::uint64_t block_runs = 0;         // calls of a block's forward
  std::uint64_t block_rows = 0;         // rows computed, summed over those calls
  std::uint64_t prompt_tokens = 0;
  std::uint64_t cached_tokens = 0;      // prompt positions for which some node was not recomputed
  std::uint64_t preemptions = 0;
  std::uint64_t pages_evicted = 0;
};

class Engine {
 public:
  // `store` must outlive the engine.
  Engine(const BlobStore& store, const EngineOptions& options);
  ~Engine();

  // Maps the network's weights and binds its blocks; blocks that another loaded network has are
  // shared. kCorrupt when a blob has not the size that its manifest says (or, with verify_blobs,
  // the digest).
  Result<NetworkId> Load(const Network& network);
  // kConflict while a request of it is running.
  Status Unload(NetworkId network);

  // Queues a request; its prompt is checked here. kInvalid names what is wrong.
  Result<RequestId> Submit(Request request);
  // A new request that goes on from the state that `request` (which has delivered at least one
  // token, and may still run) has now: it shares the pages copy-on-write and adds `tokens` to the
  // sequence before it samples.
  Result<RequestId> Fork(RequestId request, std::span<const std::int32_t> tokens,
                         std::int64_t max_tokens, const SamplingOptions& sampling);
  Status Cancel(RequestId request);

  bool idle() const;  // nothing running and nothing waiting
  // Runs one step and returns what it delivered.
  Result<std::span<const Delivery>> Step();

  const EngineCounters& counters() const;
  const EngineOptions& options() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Runs until `request` finishes and returns its tokens; other requests run along.
struct Completion {
  std::vector<SampledToken> tokens;
  FinishReason finish = FinishReason::kNone;
};
Result<Completion> RunToEnd(Engine& engine, RequestId request);

}  // namespace ashlar
