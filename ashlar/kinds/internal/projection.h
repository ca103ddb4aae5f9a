// A Projection is a bound matrix with, perhaps, a bias: y = W x + b. (Of a matrix that is a
// difference from another, W is their sum: y = W0 x + W1 x + b, in this order.) And what the blocks
// that are made of projections do around them: prepare the rows that they read, run several of them
// in one parallel loop, finish the rows that they wrote.
//
// Every function here takes its scratch from the workshop's arena and, when that is counting,
// computes nothing: so a block's forward is one straight walk, whether it measures or computes.
// Each result depends on its own row only, to the bit: outputs are split over threads in whole
// units of kOutputUnit counted from output 0, and the kernels promise the rest.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/kernels/linear/linear.h"
#include "ashlar/kernels/quantize_rows/quantize_rows.h"
#include "ashlar/kernels/split_rows/split_rows.h"
#include "ashlar/kinds/internal/bound_tensors.h"
#include "ashlar/kinds/internal/row_norm.h"

namespace ashlar::internal {

// The outputs that threads share work by: a whole number of every codec's bands, and of every
// instruction set's registers.
inline constexpr std::int64_t kOutputUnit = 32;

constexpr std::int64_t OutputUnits(std::int64_t outputs) {
  return (outputs + kOutputUnit - 1) / kOutputUnit;
}

// The forms of rows, beside f32, that readers want.
struct WantedForms {
  bool quantized = false;
  bool split = false;

  friend WantedForms operator|(WantedForms a, WantedForms b) {
    return {a.quantized || b.quantized, a.split || b.split};
  }
};

// Rows as projections read them. A view of scratch, or of the block's own input.
struct InputRows {
  std::int64_t rows = 0;
  const float* x = nullptr;  // [rows, width]
  std::int64_t width = 0;
  QuantizedRows quantized = {};  // when one of the readers wants them
  SplitRows split = {};          // the same

  // Rows [first, first + count).
  InputRows Part(std::int64_t first, std::int64_t count) const;
};

class Projection {
 public:
  Projection() = default;  // no outputs
  // Binds matrix `weight` and, when the block has it, vector `bias`. kUnsupported when no kernel
  // reads the matrix's codec.
  static Result<Projection> Bind(const BoundTensors& tensors, std::string_view weight,
                                 std::string_view bias, Isa isa);

  std::string_view name() const { return name_; }  // of the matrix in its block
  std::int64_t outputs() const { return sum_.empty() ? 0 : sum_.front().tensor.rows; }
  WantedForms wanted() const;

  // y[m, n] for all rows m and the outputs n of units [unit_begin, unit_end); on this thread.
  // y: [rows, outputs()], or rows that are `y_stride` floats apart.
  void Run(const InputRows& x, std::int64_t unit_begin, std::int64_t unit_end, float* y) const {
    Run(x, unit_begin, unit_end, y, outputs());
  }
  void Run(const InputRows& x, std::int64_t unit_begin, std::int64_t unit_end, float* y,
           std::int64_t y_stride) const;
  // Whether it reads f32, and not only the forms that it wants.
  bool reads_f32() const;

 private:
  // A matrix with its kernel.
  struct Matrix {
    BoundTensor tensor;
    Linear linear;

    // y[m * y_stride + n] for the outputs n of [begin, end).
    void Run(const InputRows& x, std::int64_t begin, std::int64_t end, float* y,
             std::int64_t y_stride) const;
    // The same, added to what y has.
    void Add(const InputRows& x, std::int64_t begin, std::int64_t end, float* y,
             std::int64_t y_stride) const;
  };

  std::string name_;
  std::vector<Matrix> sum_;  // of which W is the sum; empty: no outputs
  std::vector<float> bias_;  // empty: none
};

// What any of `readers` wants, of each `wanted` being a member function.
template <class Readers, class Wanted>
WantedForms AllWanted(const Readers& readers, Wanted wanted) {
  WantedForms all;
  for (const auto& reader : readers) {
    all = all | std::invoke(wanted, reader);
  }
  return all;
}

// How rows are prepared for the projections that read them: normed, and once for all of them
// rounded when one computes on int8, or split when one computes on parts.
class InputPreparation {
 public:
  InputPreparation() = default;
  // wanted: by one of the readers, or another.
  InputPreparation(RowNorm norm, WantedForms wanted, Isa isa);
  InputPreparation(RowNorm norm, std::initializer_list<const Projection*> readers, Isa isa);

  // x: [rows, width]. The result is valid until the arena is rewound.
  InputRows Prepare(const float* x, std::int64_t rows, std::int64_t width,
                    const Workshop& workshop) const;

 private:
  RowNorm norm_;
  WantedForms wanted_;
  QuantizeRowsFn quantize_rows_ = nullptr;
  SplitRowsFn split_rows_ = nullptr;
};

// Scratch for rows of which there are these forms only, for who writes them himself.
InputRows TakeForms(WantedForms forms, std::int64_t rows, std::int64_t width, Arena& arena);

// Tells whoever observes inputs that these projections read x; those without outputs do not.
// RunProjections does it itself, other callers of Projection::Run do it before.
void ShowInput(const InputRows& x, std::span<const Projection* const> readers,
               const Workshop& workshop);

// Projections of the same rows, all in one parallel loop.
struct ProjectionRun {
  const Projection* projection;
  float* y;
};
void RunProjections(const InputRows& x, std::initializer_list<ProjectionRun> runs,
                    const Workshop& workshop);

// y <- multiplier * norm(y), for every row of y [rows, width].
void FinishRows(const RowNorm& norm, float multiplier, float* y, std::int64_t rows,
                std::int64_t width, const Workshop& workshop);

// Gives back, at the end of a scope, what the scope took from an arena.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), mark_(arena.used()) {}
  ~ArenaScope() { arena_.Rewind(mark_); }
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  const std::size_t mark_;
};

}  // namespace ashlar::internal
