// A Stack is a total order of all levels of all residual tensors of some networks: by how much
// expected loss each takes away per byte, and in each tensor the first levels first. A budget of
// bytes is a cut of it.
//
// An entry is a range of rows of one level, below 1 MB (or a single band, where that is larger), so
// that a cut comes close to any budget at any size of network. Of blocks that read or score tokens
// ranges have 512 rows, since frequent tokens matter more. Each range has its own place. A level
// that is worth more per byte than the one before it pulls that one with it: both stand where the
// two together belong (the hull of a range's loss over its bytes), so the first n entries are the
// best that can be had for their bytes, as far as the losses add up. Level 0 of everything and all
// that is not residual are the floor, below which nothing runs. What several networks share stands
// once, and is worth the sum of what it is worth to each.
//
// A pure function of manifests, losses and weights. Immutable; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "ashlar/graph/precision.h"
#include "ashlar/plan/plan.h"

namespace ashlar {

// How much higher a network's loss is expected to be, in nats per token, when a tensor has few
// levels and all others are what they were made of: by band of the codec's row_unit rows, never
// rising with levels. What bands add adds up.
class TensorLosses {
 public:
  TensorLosses() = default;
  // `losses[l - 1]` of the whole tensor with its first l levels, shared among bands by `errors`
  // [levels, bands]: each level's by its own; empty: among rows alike.
  TensorLosses(const TensorManifest& tensor, std::span<const double> losses,
               std::span<const float> errors);

  int levels() const { return levels_; }
  // Of rows [begin, end), whole bands (or to the tensor's end), with their first `levels` levels;
  // past the last one as with all. (Rows past the last one add nothing.)
  double Of(std::int64_t begin, std::int64_t end, int levels) const;
  double whole(int levels) const;  // of all rows

 private:
  int levels_ = 0;
  std::int64_t row_unit_ = 1;
  std::int64_t bands_ = 0;
  std::vector<double> losses_;  // [levels, bands]
};

// Of tensors, by their first levels.
using LevelLosses = std::map<Level, TensorLosses>;

struct StackNetwork {
  const Network* network = nullptr;
  const LevelLosses* losses = nullptr;  // null: none was measured
  double weight = 1;                    // of its loss, beside the others'; not negative
};

// Losses of all residual tensors of the network, those that are a base included: the measured ones,
// and for others a guess, that each level quarters the error. A guess is as large for every weight
// of the network, but kScoredWeight times that for blocks that read or score tokens, and continues
// the scale of the measured ones.
LevelLosses CompleteLosses(const StackNetwork& network);
inline constexpr double kScoredWeight = 4;

// What the tensors lose at a precision, each alone, added up. (JointLossOf: what they lose
// together)
double ExpectedLoss(const Network& network, const LevelLosses& complete,
                    const Precision& precision);

struct StackEntry {
  Level tensor;  // its first level
  int level;     // at least 1
  std::int64_t row_begin;
  std::int64_t row_end;
  std::uint64_t bytes;   // with the header of the level, of the first range that has it
  double loss_per_byte;  // that it and what it was pulled with take away
};

struct StackCut {
  std::size_t entries = 0;  // so many first ones
  std::uint64_t bytes = 0;  // of weights: floor and entries
  Precision precision;      // of every residual tensor
};

class Stack {
 public:
  explicit Stack(std::span<const StackNetwork> networks);

  std::span<const StackEntry> entries() const { return entries_; }
  // Weight bytes, not rounded to pages of memory: what no network can be without, and all.
  std::uint64_t floor_bytes() const { return floor_bytes_; }
  std::uint64_t total_bytes() const { return bytes_after_.back(); }

  // Requires: count <= entries().size().
  StackCut First(std::size_t count) const;
  // The most that `weight_bytes` hold: not above them, and below by less than the next entry.
  // kExhausted, with both numbers, when they are below the floor.
  Result<StackCut> Cut(std::uint64_t weight_bytes) const;
  // The most with which the whole process stays within `budget`: `request` says the rest of it (its
  // precision is not read). kExhausted, with every part, when not even the floor fits.
  Result<StackCut> CutWithin(PlanRequest request, std::uint64_t budget) const;

 private:
  struct Tensor {
    std::int64_t rows;
    int levels;
  };
  std::map<Level, Tensor> tensors_;
  std::vector<StackEntry> entries_;
  std::uint64_t floor_bytes_ = 0;
  std::vector<std::uint64_t> bytes_after_;  // of the floor and the first n entries
};

}  // namespace ashlar
