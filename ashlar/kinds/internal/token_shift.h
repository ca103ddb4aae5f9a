// A TokenShift mixes each row with the one before it, once for each of its readers (Peng et al.
// 2023, "RWKV", section 3.1):
//   y[t, c] = mix[c] x[t, c] + (1 - mix[c]) x[t - 1, c]
// where the row before the first is zeros. The last row is carried.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "ashlar/kinds/internal/bound_tensors.h"
#include "ashlar/kinds/internal/carried_state.h"

namespace ashlar::internal {

// Immutable.
class TokenShift {
 public:
  TokenShift() = default;  // no readers
  // Binds the vectors `mixes`, each as wide as the rows. `state_offset`: of the carried row in the
  // block's carried state.
  TokenShift(const BoundTensors& tensors, std::initializer_list<std::string_view> mixes,
             std::int64_t state_offset);

  // outs[i] [batch.rows, width] <- x [batch.rows, width] mixed for the i-th reader; none may be x.
  // Computes nothing when the arena counts.
  void Run(const RowBatch& batch, const float* x, std::initializer_list<float*> outs,
           const Workshop& workshop) const;

 private:
  std::vector<std::vector<float>> mixes_;
  std::int64_t state_offset_ = 0;
};

}  // namespace ashlar::internal
