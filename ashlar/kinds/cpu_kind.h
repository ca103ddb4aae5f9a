// A CpuKind is how blocks of one kind compute on a CPU: its declaration (graph/kind.h) and a
// function that binds a block to its mapped weights.
//
// To add a kind: a folder here with the declaration, the forward function and their tests, and a
// line in all_kinds.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/thread_pool.h"
#include "ashlar/graph/network.h"
#include "ashlar/graph/precision.h"
#include "ashlar/kernels/isa.h"
#include "ashlar/kernels/linear/linear.h"
#include "ashlar/kinds/profile.h"
#include "ashlar/tensor/arena.h"
#include "ashlar/tensor/kv_format.h"

namespace ashlar {

// A packed matrix or vector in memory, and the first part of it that is used. A view: the weights
// belong to whoever mapped them.
//
// Of a residual codec: `levels` has where each level begins that any row has, `row_levels` which
// rows have how many of them, and `data` is null.
//
// A tensor may be the difference from another of the same stored shape, in any codec; then the sum
// of both is what it stands for, and of both the same part is used.
struct BoundTensor {
  const Codec* codec = nullptr;
  const std::byte* data = nullptr;
  std::int64_t stored_columns = 0;
  std::int64_t rows = 0;     // used
  std::int64_t columns = 0;  // used
  std::int64_t stored_rows = 0;
  std::span<const std::byte* const> levels = {};
  std::span<const RowLevels> row_levels = {};
  const BoundTensor* base = nullptr;  // what this one is the difference from; null: from nothing
  std::uint64_t band_stride() const { return codec->band_bytes(stored_columns); }
};

// A run of consecutive positions of one sequence, in consecutive rows.
struct Segment {
  std::int64_t first_row;
  std::int64_t rows;
  std::int64_t first_position;
  // The pages of this node's state slot: pages[t / page_positions]. Null for stateless kinds. A
  // page whose every position lies before the attention window may be null.
  std::byte* const* pages;
  // Whether the node writes the slot (else it belongs to an earlier node and is only read). A
  // carried state is always written: see internal/carried_state.h.
  bool writes_state;
  std::int64_t page_positions = 0;  // of a page of carried state; others have kPageLength
};

// The rows that one call computes: of several sequences, of several networks.
struct RowBatch {
  std::int64_t rows = 0;
  std::span<const Segment> segments;     // in order of first_row, covering [0, rows)
  const std::int32_t* tokens = nullptr;  // [rows]: checked ids; for kinds that read tokens
};

// Is told which experts the rows of a call are sent to. Called on the thread that runs the step.
class ExpertObserver {
 public:
  virtual ~ExpertObserver() = default;
  // experts: [rows of the batch, per_row], ascending in each row; valid in the call.
  virtual void OnChosen(std::int64_t per_row, std::span<const std::int32_t> experts) = 0;
};

// Is shown what the matrices of a block are multiplied with: what calibration measures. Called on
// the thread that runs the block; views are valid in the call.
class InputObserver {
 public:
  virtual ~InputObserver() = default;
  // Each of `matrices`, tensors of the block, is multiplied with all rows x [rows, width].
  virtual void OnInput(std::span<const std::string_view> matrices, const float* x,
                       std::int64_t rows, std::int64_t width) = 0;
  // These rows of `matrix` are read as they are, without a product.
  virtual void OnLookup(std::string_view matrix, std::span<const std::int32_t> rows) = 0;
};

// What a forward call works with. Confined to the thread that runs the step.
struct Workshop {
  ThreadPool* pool;
  Arena* arena;                // scratch; a counting arena makes Forward measure instead of compute
  Profile* profile = nullptr;  // where its time is written down; null: nowhere
  ExpertObserver* experts = nullptr;  // of mixtures; null: nobody asks
  InputObserver* inputs = nullptr;    // null: nobody asks
};

// A block with its weights, ready to compute. Immutable: one may serve any number of networks.
class BoundBlock {
 public:
  virtual ~BoundBlock() = default;
  // y[rows, width_out] = f(x[rows, width_in]); contiguous f32 rows; x and y do not overlap, and
  // y's old content is not read. Row results do not depend on the other rows of the batch.
  // When workshop.arena is counting, only takes from the arena what a call with batch.rows rows
  // would (batch.segments, x and y may be empty), and returns.
  virtual void Forward(const RowBatch& batch, const float* x, float* y,
                       const Workshop& workshop) const = 0;
};

// Cosines and sines of rotary embeddings, shared by all blocks with the same parameters.
// [max_position, rotary / 2] each. Thread-safe.
class RopeTables;

struct BindContext {
  Isa isa;
  std::int64_t max_positions;  // no sequence grows longer
  RopeTables& rope_tables;
  KvFormat kv_format = KvFormat::kF32;  // of all pages of state
};

struct CpuKind {
  const BlockKind* declaration;
  // `attributes` are the effective ones (after the slice); `tensors` has one per TensorSpec of
  // them, cut to the used part. Small vectors are copied to f32 here; matrices stay where they are
  // and must outlive the result. kUnsupported when no kernel reads a tensor's codec.
  Result<std::unique_ptr<BoundBlock>> (*bind)(
      const Attributes& attributes, const std::map<std::string, BoundTensor, std::less<>>& tensors,
      const BindContext& context);
};

// Every kind, in the order of the list in all_kinds.cc; and their declarations as graph wants them.
std::span<const CpuKind* const> AllCpuKinds();
const Kinds& AllKinds();
const CpuKind& CpuKindOf(const BlockKind& declaration);

// Part of the Merkle key: which forms of the kernels compute, and the version of their numerics.
// Changes whenever any kernel or kind may give other bits for the same input.
std::string KernelForm(Isa isa);  // "avx512.1"

}  // namespace ashlar
