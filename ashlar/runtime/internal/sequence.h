// What the engine knows of one request: its tokens, its place, and the pages that it holds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/internal/loaded_network.h"
#include "ashlar/runtime/internal/page_cache.h"
#include "ashlar/runtime/internal/page_table.h"
#include "ashlar/runtime/internal/row_starts.h"
#include "ashlar/runtime/internal/scheduler.h"

namespace ashlar::internal {

struct SlotPages {
  PageTable table;
  PageChain chain = {};
  std::int64_t cached = 0;     // positions that were there at the start: read, never written
  std::int64_t published = 0;  // first pages of the table that are published
  // Computed under more than one key: no further page of it can be found by others.
  bool mixed = false;
};

// The kept values of one node where networks part (see BoundaryNodes).
struct ValuePages {
  int node;
  PageChain chain;
  PageTable table;
  std::int64_t cached = 0;     // positions that were there at the start
  std::int64_t published = 0;  // first pages of the table that are published
  bool recording = false;      // whether the positions that are computed are added
};

class Sequence {
 public:
  // Takes a checked request.
  Sequence(RequestId id, Request request, std::shared_ptr<const LoadedNetwork> network);

  // ---- What is asked and known
  const RequestId id;
  std::shared_ptr<const LoadedNetwork> network;
  Request request;                   // its prompt moved to `tokens`
  std::vector<std::int32_t> tokens;  // the prompt and what was sampled
  const std::int64_t prompt_length;
  Sampler sampler;
  std::int64_t logits_delivered = 0;  // prompt_logits: positions done
  bool cancelled = false;
  std::int64_t cached_tokens = 0;  // as Begin found them the first time
  bool admitted = false;           // ever

  std::int64_t length() const { return static_cast<std::int64_t>(tokens.size()); }
  std::int64_t generated() const { return length() - prompt_length; }
  // First position from here on whose logits are wanted.
  std::int64_t logits_from() const;

  // ---- Where it is
  bool running = false;
  std::int64_t position = 0;  // all before it is done
  std::vector<NodeStart> starts;
  std::vector<SlotPages> slots;
  std::vector<ValuePages> values;

  // Finds what pages of its state are cached, and holds them. False: some are spilled, and this
  // step has no time left to read them; then it is to be called again in another one, before Begin.
  // Finds nothing where it has state already.
  bool FindState(PageCache& cache);
  // Finds what values are cached of the known tokens, and plans from where each node is computed.
  // Values of `boundary` nodes are used and recorded. Returns the first position for which some node
  // is computed.
  std::int64_t Begin(PageCache& cache, std::span<const int> boundary, bool use_cache);
  // Gets state pages for positions below `end`. Requires: they are available (see View).
  void TakePages(PageCache& cache, std::int64_t end);
  // Gets pages for the values that are recorded below `end`, or stops recording where there are
  // none.
  void TakeValuePages(PageCache& cache, std::int64_t end);
  // After a step: all positions below `end` are done. Publishes the pages that are full.
  void Advance(PageCache& cache, std::int64_t end, bool use_cache);
  // Goes on with the same network at another precision. Its state stays.
  void Rebind(std::shared_ptr<const LoadedNetwork> rebound);
  // Lets go of all pages; the sequence waits.
  void Stop();
  // Stops recording values, and lets go of those that no row ahead reads. False when nothing was
  // let go.
  bool DropValues();
  // Shares all pages of `parent`, which has the same first tokens.
  void ShareStateOf(const Sequence& parent);

  // Bytes of all the pages that it may come to hold before it ends.
  std::uint64_t MostBytes() const;

  // The scheduler's view; `demand` is [slots], filled in.
  SequenceView View(std::span<SlotDemand> demand) const;

 private:
  // What names the pages that it finds and leaves.
  const MerkleKeys& Keys() const { return any_precision_ ? network->any_keys : network->keys; }
  // Finds the cached pages of all slots, and returns for how many positions all of them are there.
  std::int64_t FindStateOf(PageCache& cache, bool any_precision);
  bool NeedsCopy(std::size_t slot) const;
  void FindValues(PageCache& cache, std::span<const int> boundary);
  void PlanStarts();
  void DropCarriedPages();

  bool any_precision_ = request.any_precision;
  // While FindState is to be called again: how many pages it has found so far.
  std::optional<std::int64_t> found_;
};

}  // namespace ashlar::internal
