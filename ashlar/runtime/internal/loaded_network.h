// A LoadedNetwork is a network that can run: its nodes with their bound blocks, and all that a
// step wants to know of them, looked up once. Immutable.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "ashlar/plan/plan.h"
#include "ashlar/runtime/internal/block_binder.h"
#include "ashlar/runtime/internal/register_plan.h"
#include "ashlar/runtime/internal/scheduler.h"
#include "ashlar/runtime/internal/step_merge.h"
#include "ashlar/runtime/session.h"

namespace ashlar::internal {

struct WeightedTerm {
  int node;
  float coefficient;
};

struct LoadedNode {
  const BlockKind* kind = nullptr;
  std::shared_ptr<const BoundWeights> bound;
  std::int64_t width_in = 0;  // 0: reads tokens
  std::int64_t width_out = 0;
  std::vector<WeightedTerm> read;   // ascending nodes: the order of the sums
  std::vector<WeightedTerm> carry;  // ascending nodes
  int slot = -1;                    // index into slots; -1: stateless
  bool writes_state = false;
  std::int64_t value_offset = -1;  // of its value in a row's registers, in floats; -1: the output
};

struct StateSlot {
  int node;        // that writes it
  StatePage page;  // each of its pages
  bool carried;    // a page has a carried state (Interface::carried_floats)
  Digest chain;    // Merkle key of its pages
  std::int64_t PagesFor(std::int64_t positions_to_hold) const {
    return internal::PagesFor(positions_to_hold, page.positions);
  }
};

struct LoadedNetwork {
  std::vector<LoadedNode> nodes;
  std::vector<StateSlot> slots;
  std::vector<std::vector<int>> sources;  // of each node: what it reads or carries, ascending
  std::vector<MergeNode> merge;           // as MergeGraphs wants them
  SessionForm form;                       // what the keys depend on besides graph and precision
  MerkleKeys keys;
  MerkleKeys any_keys;               // the same whatever the precision
  std::int64_t logits = 0;           // width of the output
  std::int64_t hidden = 0;           // width of what the output reads; 0: tokens
  std::int64_t token_limit = 0;      // every token id is below this
  std::int64_t max_positions = 0;    // no sequence may have more
  std::int64_t register_floats = 0;  // of a row
  RowWork row_work = {.fixed = 0};   // of a row of which no output is wanted

  std::uint64_t plan() const;  // names the output's key
  void Touch() const;          // reads all weights, so that they are resident

  int output() const { return static_cast<int>(nodes.size()) - 1; }
  std::uint64_t value_page_bytes(int node) const;
  // Of all state of a sequence of so many positions.
  std::uint64_t StateBytes(std::int64_t positions) const;
};

// Numbers what may meet: equal (block, slice, format of its state), used as an output in both or in
// neither. (All that is loaded at one time has one precision.) Thread-safe.
class MeetingNumbers {
 public:
  std::uint32_t NumberOf(const Node& node, std::optional<KvFormat> kv_format, bool output);

 private:
  struct Key {
    Digest block;
    Slice slice;
    std::optional<KvFormat> kv_format;
    bool output;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  std::mutex mutex_;
  std::map<Key, std::uint32_t> numbers_;  // guarded by mutex_
};

// Binds every node in the binder's context, at that precision and with its state in that format.
// Errors name the node. kUnsupported for what only a later version runs (overlays).
Result<LoadedNetwork> LoadNetwork(const Network& network, BlockBinder& binder,
                                  MeetingNumbers& meetings, const Precision& precision,
                                  KvFormat kv_format);

// The nodes of `network` whose values are worth keeping for the others: a value that another
// network has too (equal keys), but that in one of the two is read by a node which the other one
// lacks. That is where their graphs part. Ascending.
std::vector<int> BoundaryNodes(const LoadedNetwork& network,
                               std::span<const LoadedNetwork* const> others);

}  // namespace ashlar::internal
