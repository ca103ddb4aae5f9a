// A CausalConv mixes each channel of a row with the same channel of the last few rows before it:
//   y[t, c] = f(sum_k weight[c, k] x[t - taps + 1 + k, c] + bias[c])
// where rows before the first are zeros. The rows that the next one will need are carried.
#pragma once

#include <string_view>
#include <vector>

#include "ashlar/kernels/activation/activation.h"
#include "ashlar/kinds/internal/attribute_specs.h"
#include "ashlar/kinds/internal/bound_tensors.h"
#include "ashlar/kinds/internal/carried_state.h"

namespace ashlar::internal {

inline constexpr std::int64_t kMaxTaps = 64;
inline constexpr AttributeSpec kConvTapsAttribute = RequiredInteger(
    "conv_taps", kMaxTaps, "rows, its own among them, that a row is convolved with");
inline constexpr AttributeSpec kConvBiasAttribute =
    Flag("conv_bias", "1: convolutions have biases");

// Adds NAME [channels * taps], channels outermost, and NAME.bias where the block has `conv_bias`.
void AppendConvTensors(const Attributes& attributes, std::string_view name, std::int64_t channels,
                       std::vector<TensorSpec>& tensors);

// Immutable.
class CausalConv {
 public:
  CausalConv() = default;  // no channels
  // Binds what AppendConvTensors declares. `f` may be null: none. `state_offset`: of its floats in
  // the block's carried state.
  CausalConv(const Attributes& attributes, std::string_view name, const BoundTensors& tensors,
             ActivateFn f, std::int64_t state_offset);

  static std::int64_t StateFloats(const Attributes& attributes, std::int64_t channels) {
    return channels * (attributes.Integer("conv_taps") - 1);
  }

  // x [batch.rows, channels] <- y. Computes nothing when the arena counts.
  void Run(const RowBatch& batch, float* x, const Workshop& workshop) const;

 private:
  std::int64_t taps_ = 0;
  std::int64_t channels_ = 0;
  std::int64_t state_offset_ = 0;
  std::vector<float> weight_;  // [channels, taps]
  std::vector<float> bias_;    // empty: none
  ActivateFn f_ = nullptr;
};

}  // namespace ashlar::internal
