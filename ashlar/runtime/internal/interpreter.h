// The Interpreter runs the rows of a step through the merged graphs of their networks.
//
// Every row of the step has registers, in which the values of its network's nodes lie while
// somebody still reads them (register_plan.h). The groups run in merged order; each gathers the
// rows that need it, of whatever sequence and network, into one batch, calls the block once, and
// puts the results back into the rows' registers:
//
//   x = sum_j read_j y_j      f = block(x)      y = (sum_j carry_j y_j) + f
//
// The sums go over ascending nodes, row by row, so their bits do not depend on the batch. Confined.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "ashlar/base/thread_pool.h"
#include "ashlar/kernels/add_scaled/add_scaled.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/internal/loaded_network.h"
#include "ashlar/runtime/internal/page_memory.h"
#include "ashlar/runtime/internal/sequence.h"

namespace ashlar::internal {

// The rows of one sequence in a step: positions sequence->position, and so on.
struct StepRows {
  Sequence* sequence;
  std::uint32_t network;   // its index in the list that was merged
  std::int64_t first_row;  // in the step
  std::int64_t rows;
  // Filled in by Run: the logits that were wanted, [count, network->logits], or the hidden states,
  // [count, network->hidden]; valid until the next.
  std::span<const float> logits;
  std::int64_t logits_width = 0;
  std::int64_t logits_first_position = 0;
};

class Interpreter {
 public:
  // `pool` must outlive it.
  Interpreter(ThreadPool& pool, Isa isa, std::int64_t max_rows, std::int64_t max_logit_rows);

  // What Run would take for steps over these networks.
  std::uint64_t WorkspaceBytes(std::span<const LoadedNetwork* const> networks) const;
  // Makes room for steps over these networks.
  void Prepare(std::span<const LoadedNetwork* const> networks);
  static constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();
  // Makes so many more bytes of that room resident: all at once would hold up who streams.
  void Touch(std::uint64_t bytes);
  // Gives the memory of that room back: steps take it again as they need it.
  void Rest();

  // Requires: Prepare has seen the networks; at most max_rows rows, max_logit_rows of which want
  // logits; the sequences have their pages. `order` is MergeGraphs of `networks`; `profile` may be
  // null, and `listener` empty.
  void Run(std::span<StepRows> step, std::span<const LoadedNetwork* const> networks,
           std::span<const MergeGroup> order, EngineCounters& counters, Profile* profile,
           const ExpertListener& listener);

 private:
  class ExpertsOfRuns;
  // Consecutive positions of one sequence in a batch.
  struct RunOfRows {
    StepRows* step;
    const LoadedNode* node;
    int node_index;
    std::int64_t first_position;
    std::int64_t rows;
    std::int64_t batch_row;
  };
  struct Sizes {
    std::int64_t register_floats = 0;  // per row
    std::int64_t width_in = 0;
    std::int64_t width_out = 0;  // of nodes that are no outputs
    std::int64_t logits = 0;
    std::size_t scratch_bytes = 0;
  };
  struct Buffers {
    float* registers;      // [max_rows, register_floats]
    float* x;              // [max_rows, width_in]
    float* f;              // [max_rows, width_out]
    float* logits;         // [max_logit_rows, logits]; hidden states too
    std::int32_t* tokens;  // [max_rows]
    std::int32_t* run_of;  // [max_rows]: index into runs_
  };
  Sizes Measure(std::span<const LoadedNetwork* const> networks) const;
  Buffers Layout(const Sizes& sizes, Arena& arena) const;

  // Those that want hidden states of an output come last.
  void CollectRuns(std::span<StepRows> step, std::span<const LoadedNetwork* const> networks,
                   const MergeGroup& group, bool output);
  // Of the first `rows` rows.
  void CollectSegments(std::int64_t rows);
  void GatherInputs(std::int64_t rows, Profile* profile);
  void PutBack(std::int64_t rows, bool output, float* f, Profile* profile);
  // What the runs of an output want: results, of which `out` has the first `rows`, and the inputs
  // of those after them. Returns where the next output may be written.
  float* HandOut(float* out, std::int64_t rows);
  void LoadKeptValues(const RunOfRows& run);
  void KeepValues(const RunOfRows& run);
  float* RegistersOf(const RunOfRows& run, std::int64_t position) const;

  ThreadPool& pool_;
  const AddScaledFn add_scaled_;
  const std::int64_t max_rows_;
  const std::int64_t max_logit_rows_;
  Sizes sizes_;
  std::unique_ptr<ReservedBytes> memory_;
  std::uint64_t memory_bytes_ = 0;
  std::uint64_t touched_bytes_ = 0;
  Arena arena_;
  Buffers buffers_ = {};
  std::vector<RunOfRows> runs_;
  std::vector<Segment> segments_;
};

}  // namespace ashlar::internal
