// Cosines and sines of rotary embeddings (Su et al. 2021), computed once for all blocks with the
// same parameters, as far as sequences reach.
//
// Pair i of a row at position p turns by the angle p w_i. Without scaling w_i = theta^(-2i / dims);
// the scalings change w_i:
//   linear   w_i / factor                                                   (Chen et al. 2023)
//   dynamic  theta grows with the sequence past the original context n:
//            theta (factor m / n - (factor - 1))^(dims / (dims - 2)), m = max(p + 1, n)
//                                                              ("NTK-aware", bloc97 and emozilla)
//   llama3   w_i / factor where fewer than `low` turns fit into the original context, w_i where
//            more than `high` do, and a linear mix (in turns) between     (Llama 3.1 model card)
//   yarn     the same between beta_slow and beta_fast turns, linear in i   (Peng et al. 2023, 3.2);
//            cosines and sines are multiplied by 0.1 ln(factor) + 1        (3.4)
//   longrope w_i / a factor of each pair: short factors while no sequence passes the original
//            context, else long ones                                      (Ding et al. 2024)
//
// Numerics. The frequencies, the angle and its cosine and sine are single-precision numbers, each
// rounded once, in the order of the reference implementation in Python (transformers): an angle of
// thousands of radians has few right digits left in f32, and logits agree with a checkpoint's
// reference only when the same digits are wrong.
//
// Dynamic scaling turns a row by the frequencies of the sequence that ends with it. The reference
// turns all rows of a call by those of the longest sequence in it, so its keys depend on how a
// prompt was cut into calls; the two are equal when it is called token by token, and for sequences
// within the original context. Longrope chooses once, by how long sequences may grow: a key turned
// by one list means nothing to a query turned by the other. (The reference chooses by each call's
// longest sequence, and forgets its keys where that changes.)
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "ashlar/base/check.h"

namespace ashlar {

enum class RopeScaling : std::uint8_t { kNone, kLinear, kDynamic, kLlama3, kYarn, kLongrope };

struct RopeParameters {
  std::int64_t dims = 0;  // rotated dimensions: even, at least 2
  double theta = 10000;
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1;                    // all scalings
  std::int64_t original_positions = 0;  // dynamic, llama3, yarn, longrope
  double low_frequency_factor = 1;      // llama3
  double high_frequency_factor = 4;
  double beta_fast = 32;  // yarn
  double beta_slow = 1;
  double attention_factor = 0;   // of cosines and sines; 0: as the scaling defines it
  bool fractional_ramp = false;  // yarn: the mix begins and ends between pairs
  std::vector<float> short_factors = {}, long_factors = {};  // longrope: [dims / 2] each

  friend auto operator<=>(const RopeParameters&, const RopeParameters&) = default;
};

// The angular frequencies w [dims / 2] of a row at `position`, where no sequence is longer than
// `positions`.
std::vector<float> RopeFrequencies(const RopeParameters& parameters, std::int64_t position,
                                   std::int64_t positions = 0);

// Cosines and sines of positions [0, positions()), which are computed, and take memory, as far as
// somebody has reached: few sequences come to all the positions that one might have.
class RopeTable {
 public:
  RopeTable(RopeParameters parameters, std::int64_t positions);

  std::int64_t positions() const { return positions_; }
  std::int64_t pairs() const { return pairs_; }  // dims / 2
  // What it takes when all positions are there.
  std::uint64_t most_bytes() const {
    return 2 * static_cast<std::uint64_t>(positions_ * pairs_) * sizeof(float);
  }

  // Makes positions [0, end) readable. Requires: end <= positions(), and that nobody reads or
  // reaches meanwhile.
  void Reach(std::int64_t end);
  // [pairs()] each, of a position that was reached.
  const float* cosine(std::int64_t position) const {
    DCHECK(position >= 0 && position < reached_);
    return &cosines_[position * pairs_];
  }
  const float* sine(std::int64_t position) const {
    DCHECK(position >= 0 && position < reached_);
    return &sines_[position * pairs_];
  }

 private:
  const RopeParameters parameters_;
  const std::int64_t positions_;
  const std::int64_t pairs_;
  const float attention_factor_;
  std::vector<float> frequencies_;  // of the next position
  std::int64_t reached_ = 0;
  // [positions, pairs]: not touched beyond what was reached.
  std::unique_ptr<float[]> cosines_;
  std::unique_ptr<float[]> sines_;
};

// Thread-safe. A table is forgotten when the last block that uses it is.
class RopeTables {
 public:
  // The table for positions [0, positions).
  std::shared_ptr<RopeTable> Get(const RopeParameters& parameters, std::int64_t positions);

  // All tables, and those to come, have all of their positions: for a budget, which counts them
  // before they are used. Requires that nobody reads or reaches meanwhile.
  void ReachAll();

  // The most memory that the tables in use come to take.
  std::uint64_t bytes() const;

 private:
  using Key = std::pair<RopeParameters, std::int64_t>;
  mutable std::mutex mutex_;  // of what follows
  std::map<Key, std::weak_ptr<RopeTable>> tables_;
  bool whole_ = false;
};

}  // namespace ashlar
