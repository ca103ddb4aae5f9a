// Of a channel, with w = -exp(decay_log) and its keys and values up to row t:
//           sum_{i < t} exp((t - 1 - i) w + k[i]) v[i] + exp(bonus + k[t]) v[t]
//   mean = ---------------------------------------------------------------------
//           sum_{i < t} exp((t - 1 - i) w + k[i])      + exp(bonus + k[t])
// Both sums are carried over exp(top), where top is the largest exponent in them: no exponential
// here is above 1, and one of them is 1.
#include <algorithm>
#include <cmath>

#include "ashlar/kernels/activation/activation.h"
#include "ashlar/kinds/internal/projection.h"
#include "ashlar/kinds/internal/token_shift.h"
#include "ashlar/kinds/wkv/wkv.h"

namespace ashlar {
namespace {

using internal::CarriedRun;
using internal::InputRows;
using internal::Projection;
using internal::RowNorm;

constexpr std::int64_t kMeansPerPart = 64;
// Below every exponent: the sums of no rows are zeros.
constexpr float kNoExponent = -1e38F;

struct WkvMatrices {
  Projection k, v, gate, o;
};

class WkvBlock final : public BoundBlock {
 public:
  WkvBlock(const Attributes& attributes, const internal::BoundTensors& tensors,
           WkvMatrices matrices, Isa isa)
      : width_(attributes.Integer("width")),
        channels_(attributes.Integer("channels")),
        multiplier_(static_cast<float>(attributes.Real("multiplier"))),
        matrices_(std::move(matrices)),
        sigmoid_(FindActivate(Activation::kSigmoid, isa)),
        input_(RowNorm(internal::SettingsOf(attributes, "norm"), "norm", tensors, isa),
               internal::WantedForms(), isa),
        k_input_(RowNorm(), {&matrices_.k}, isa),
        v_input_(RowNorm(), {&matrices_.v}, isa),
        gate_input_(RowNorm(), {&matrices_.gate}, isa),
        o_input_(RowNorm(), {&matrices_.o}, isa),
        post_norm_(internal::SettingsOf(attributes, "post_norm"), "post_norm", tensors, isa),
        shift_(tensors, {"mix.k", "mix.v", "mix.gate"}, 3 * channels_),
        decay_(internal::CopyVector(internal::TensorNamed(tensors, "decay_log"))),
        bonus_(internal::CopyVector(internal::TensorNamed(tensors, "bonus"))) {
    for (float& decay : decay_) {
      decay = -std::exp(decay);
    }
  }

  void Forward(const RowBatch& batch, const float* x, float* y,
               const Workshop& workshop) const override {
    Arena& arena = *workshop.arena;
    const internal::ArenaScope scope(arena);
    const std::int64_t rows = batch.rows;
    const Scratch scratch = {.k = arena.Take<float>(rows * channels_),
                             .v = arena.Take<float>(rows * channels_),
                             .gate = arena.Take<float>(rows * channels_)};
    Project(batch, x, scratch, workshop);
    Average(batch, scratch, workshop);
    RunProjections(o_input_.Prepare(scratch.v, rows, channels_, workshop), {{&matrices_.o, y}},
                   workshop);
    FinishRows(post_norm_, multiplier_, y, rows, width_, workshop);
  }

 private:
  struct Scratch {
    float* k;     // [rows, channels]
    float* v;     // [rows, channels]; after the scan, the gated means
    float* gate;  // [rows, channels]
  };

  void Project(const RowBatch& batch, const float* x, const Scratch& scratch,
               const Workshop& workshop) const {
    Arena& arena = *workshop.arena;
    const internal::ArenaScope scope(arena);
    const std::int64_t rows = batch.rows;
    const InputRows normed = input_.Prepare(x, rows, width_, workshop);
    float* const for_k = arena.Take<float>(rows * width_);
    float* const for_v = arena.Take<float>(rows * width_);
    float* const for_gate = arena.Take<float>(rows * width_);
    shift_.Run(batch, normed.x, {for_k, for_v, for_gate}, workshop);
    RunProjections(k_input_.Prepare(for_k, rows, width_, workshop), {{&matrices_.k, scratch.k}},
                   workshop);
    RunProjections(v_input_.Prepare(for_v, rows, width_, workshop), {{&matrices_.v, scratch.v}},
                   workshop);
    RunProjections(gate_input_.Prepare(for_gate, rows, width_, workshop),
                   {{&matrices_.gate, scratch.gate}}, workshop);
  }

  void Average(const RowBatch& batch, const Scratch& scratch, const Workshop& workshop) const {
    if (workshop.arena->counting()) {
      return;
    }
    const auto scan = [&](const CarriedRun& run, std::int64_t part) {
      const std::int64_t first = part * kMeansPerPart;
      const std::int64_t count = std::min(kMeansPerPart, channels_ - first);
      const Sums sums = {.values = run.Continue(first, count),
                         .weights = run.Continue(channels_ + first, count),
                         .top = run.Continue(2 * channels_ + first, count, kNoExponent)};
      for (std::int64_t row = run.first_row; row < run.first_row + run.rows; ++row) {
        const std::int64_t at = row * channels_ + first;
        for (std::int64_t c = 0; c < count; ++c) {
          scratch.v[at + c] = Mean(sums, c, first + c, scratch.k[at + c], scratch.v[at + c]);
        }
        sigmoid_(scratch.gate + at, scratch.v + at, scratch.v + at, count);
      }
    };
    internal::ForEachCarriedRun(batch, internal::PartsOf(channels_, kMeansPerPart), workshop, scan);
  }

  // Of a part's channels: sums over exp(top).
  struct Sums {
    float* values;
    float* weights;
    float* top;
  };

  // The mean of a row, whose key and value then join the sums.
  float Mean(const Sums& sums, std::int64_t c, std::int64_t channel, float k, float v) const {
    float& values = sums.values[c];
    float& weights = sums.weights[c];
    float& top = sums.top[c];
    const float exponent = bonus_[channel] + k;
    const float top_now = std::max(top, exponent);
    const float old_now = std::exp(top - top_now);
    const float own_now = std::exp(exponent - top_now);
    const float mean = (old_now * values + own_now * v) / (old_now * weights + own_now);
    const float decayed = top + decay_[channel];
    const float top_next = std::max(decayed, k);
    const float old_next = std::exp(decayed - top_next);
    const float own_next = std::exp(k - top_next);
    values = old_next * values + own_next * v;
    weights = old_next * weights + own_next;
    top = top_next;
    return mean;
  }

  const std::int64_t width_;
  const std::int64_t channels_;
  const float multiplier_;
  const WkvMatrices matrices_;
  const ActivateFn sigmoid_;
  const internal::InputPreparation input_;
  const internal::InputPreparation k_input_;
  const internal::InputPreparation v_input_;
  const internal::InputPreparation gate_input_;
  const internal::InputPreparation o_input_;
  const RowNorm post_norm_;
  const internal::TokenShift shift_;
  std::vector<float> decay_;        // [channels]: below 0
  const std::vector<float> bonus_;  // [channels]
};

Result<std::unique_ptr<BoundBlock>> Bind(const Attributes& attributes,
                                         const internal::BoundTensors& tensors,
                                         const BindContext& context) {
  WkvMatrices matrices;
  ASHLAR_TRY(matrices.k, Projection::Bind(tensors, "k", "k.bias", context.isa));
  ASHLAR_TRY(matrices.v, Projection::Bind(tensors, "v", "v.bias", context.isa));
  ASHLAR_TRY(matrices.gate, Projection::Bind(tensors, "gate", "gate.bias", context.isa));
  ASHLAR_TRY(matrices.o, Projection::Bind(tensors, "o", "o.bias", context.isa));
  return std::make_unique<WkvBlock>(attributes, tensors, std::move(matrices), context.isa);
}

}  // namespace

constinit const CpuKind kWkvOnCpu{.declaration = &kWkv, .bind = Bind};

}  // namespace ashlar
