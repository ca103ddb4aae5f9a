// A NodeWalk runs whole sequences through a network node by node: all rows pass one block before
// any passes the next. An Engine does it the other way round, row by row through all blocks. So
// what is to be known of one block's inputs is known at once, and the values of one depth are all
// that is kept; calibration walks like this.
//
// The numbers are an engine's, to the bit: the same kernels, the same order of sums. Confined.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "ashlar/base/thread_pool.h"
#include "ashlar/graph/network.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/store/blob_store.h"

namespace ashlar {

// Sequences on their way through a network. A value: a copy goes its own way.
class WalkingRows {
 public:
  // `lengths` are those of the sequences in `tokens`, each from position 0, one after the other.
  WalkingRows(std::vector<std::int32_t> tokens, std::vector<std::int64_t> lengths);

  std::int64_t rows() const { return static_cast<std::int64_t>(tokens_.size()); }
  std::span<const std::int32_t> tokens() const { return tokens_; }
  int node() const { return node_; }  // the one that comes next

 private:
  friend class NodeWalk;
  // The state of one node for all sequences: `pages` of each, one sequence after the other.
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  struct State {
    std::int64_t positions;  // of a page
    std::int64_t page_lines;
    std::vector<Line> lines;
  };

  std::int64_t PagesBefore(std::size_t sequence, std::int64_t page_positions) const;

  std::vector<std::int32_t> tokens_;
  std::vector<std::int64_t> lengths_;
  int node_ = 0;
  std::map<int, std::vector<float>> values_;  // [rows, width], of nodes that are read later
  std::map<int, State> states_;               // of nodes whose slots are read later
};

class NodeWalk {
 public:
  struct Options {
    ThreadPool& pool;  // outlives the walk
    Isa isa = Isa::kReference;
    std::int64_t max_positions = 4096;  // of one sequence
    Precision precision = {};           // of the residual tensors; those not in it have all levels
  };
  // Maps the weights. `store` must outlive the walk. Errors as Engine::Load has them.
  static Result<std::unique_ptr<NodeWalk>> Open(const BlobStore& store, const Network& network,
                                                const Options& options);
  ~NodeWalk();

  int nodes() const;
  std::int64_t logits() const;         // width of the last node's values
  std::int64_t token_limit() const;    // every token id is below this
  std::int64_t max_positions() const;  // no sequence may be longer

  // A node whose matrices have other numbers: [rows, columns] each, by the tensor's name in the
  // block, of all that is stored.
  class Variant;
  using Matrices = std::map<std::string_view, std::span<const float>>;
  Result<std::shared_ptr<const Variant>> MakeVariant(int node, const Matrices& matrices);

  struct How {
    InputObserver* observer = nullptr;  // null: nobody looks
    const Variant* variant = nullptr;   // instead of the network's own node; null: that
    // Takes the values of the last node, logits [count, logits()] of rows first, first + 1, ...
    // Without it they are computed and dropped.
    std::function<void(std::int64_t first, std::span<const float> logits)> take = nullptr;
  };
  // Computes node rows.node(). kCorrupt when bytes of its weights are gone. Computing a node again
  // gives the same; Leave goes on to the next one.
  Status Compute(WalkingRows& rows, const How& how);
  // Goes on to the next node, and forgets what no later one reads. Requires: it is computed, and
  // is not the last.
  void Leave(WalkingRows& rows) const;

 private:
  struct State;
  explicit NodeWalk(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace ashlar
