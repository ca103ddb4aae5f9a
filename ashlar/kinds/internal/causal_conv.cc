#include "ashlar/kinds/internal/causal_conv.h"

#include <algorithm>

#include "ashlar/kinds/internal/norm_attributes.h"

namespace ashlar::internal {
namespace {

constexpr std::int64_t kChannelsPerPart = 64;

}  // namespace

void AppendConvTensors(const Attributes& attributes, std::string_view name, std::int64_t channels,
                       std::vector<TensorSpec>& tensors) {
  tensors.push_back({std::string(name),
                     TensorRole::kVector,
                     {channels * attributes.Integer(kConvTapsAttribute.name)}});
  if (IsSet(attributes, kConvBiasAttribute.name)) {
    tensors.push_back({TensorName(name, "bias"), TensorRole::kVector, {channels}});
  }
}

CausalConv::CausalConv(const Attributes& attributes, std::string_view name,
                       const BoundTensors& tensors, ActivateFn f, std::int64_t state_offset)
    : taps_(attributes.Integer(kConvTapsAttribute.name)),
      state_offset_(state_offset),
      weight_(CopyVector(TensorNamed(tensors, name))),
      f_(f) {
  channels_ = static_cast<std::int64_t>(weight_.size()) / taps_;
  if (const BoundTensor* bias = FindTensor(tensors, TensorName(name, "bias"))) {
    bias_ = CopyVector(*bias);
  }
}

void CausalConv::Run(const RowBatch& batch, float* x, const Workshop& workshop) const {
  if (workshop.arena->counting()) {
    return;
  }
  const std::int64_t kept = taps_ - 1;
  const auto convolve = [&](const CarriedRun& run, std::int64_t part) {
    const std::int64_t first = part * kChannelsPerPart;
    const std::int64_t count = std::min(kChannelsPerPart, channels_ - first);
    // The last rows of each channel, oldest first.
    float* const rows_before = run.Continue(state_offset_ + first * kept, count * kept);
    for (std::int64_t row = run.first_row; row < run.first_row + run.rows; ++row) {
      float* const values = x + row * channels_ + first;
      for (std::int64_t c = 0; c < count; ++c) {
        const float* const weight = weight_.data() + (first + c) * taps_;
        float* const before = rows_before + c * kept;
        const float now = values[c];
        float sum = bias_.empty() ? 0 : bias_[static_cast<std::size_t>(first + c)];
        for (std::int64_t k = 0; k < kept; ++k) {
          sum += weight[k] * before[k];
        }
        values[c] = sum + weight[kept] * now;
        if (kept > 0) {
          std::copy(before + 1, before + kept, before);
          before[kept - 1] = now;
        }
      }
      if (f_ != nullptr) {
        f_(values, nullptr, values, count);
      }
    }
  };
  ForEachCarriedRun(batch, PartsOf(channels_, kChannelsPerPart), workshop, convolve);
}

}  // namespace ashlar::internal
