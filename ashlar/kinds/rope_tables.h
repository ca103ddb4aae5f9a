// Cosines and sines of rotary embeddings (Su et al. 2021), computed once for all blocks with the
// same parameters.
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

// Immutable. [positions, dims / 2] each.
struct RopeTable {
  std::int64_t positions = 0;
  std::int64_t pairs = 0;  // dims / 2
  std::vector<float> cosines;
  std::vector<float> sines;

  const float* cosine(std::int64_t position) const { return &cosines[position * pairs]; }
  const float* sine(std::int64_t position) const { return &sines[position * pairs]; }
};

RopeTable MakeRopeTable(const RopeParameters& parameters, std::int64_t positions);

// Thread-safe. A table is forgotten when the last block that uses it is.
class RopeTables {
 public:
  // The table for positions [0, positions). Computes it while others wait, when there is none.
  std::shared_ptr<const RopeTable> Get(const RopeParameters& parameters, std::int64_t positions);

  // The memory that the tables in use take.
  std::uint64_t bytes() const;

 private:
  using Key = std::pair<RopeParameters, std::int64_t>;
  mutable std::mutex mutex_;
  std::map<Key, std::weak_ptr<const RopeTable>> tables_;  // guarded by mutex_
};

}  // namespace ashlar
