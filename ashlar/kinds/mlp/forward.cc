#include <algorithm>

#include "ashlar/kernels/activation/activation.h"
#include "ashlar/kinds/internal/projection.h"
#include "ashlar/kinds/mlp/mlp.h"

namespace ashlar {
namespace {

using internal::InputRows;
using internal::Projection;

struct Projections {
  Projection gate;  // without outputs when plain
  Projection up;
  Projection down;
};

class MlpBlock final : public BoundBlock {
 public:
  MlpBlock(const Attributes& attributes, const internal::BoundTensors& tensors,
           Projections projections, ActivateFn activate, Isa isa)
      : width_(attributes.Integer("width")),
        channels_(attributes.Integer("channels")),
        gated_(attributes.Choice("form") == "gated"),
        multiplier_(static_cast<float>(attributes.Real("multiplier"))),
        projections_(std::move(projections)),
        activate_(activate),
        input_(internal::RowNorm(internal::SettingsOf(attributes, "norm"), "norm", tensors, isa),
               {&projections_.gate, &projections_.up}, isa),
        down_input_(internal::RowNorm(), {&projections_.down}, isa),
        post_norm_(internal::SettingsOf(attributes, "post_norm"), "post_norm", tensors, isa) {}

  void Forward(const RowBatch& batch, const float* x, float* y,
               const Workshop& workshop) const override {
    const internal::ArenaScope scope(*workshop.arena);
    const std::int64_t rows = batch.rows;
    const InputRows input = input_.Prepare(x, rows, width_, workshop);
    const float* const hidden = Hidden(input, workshop);
    const InputRows down_input = down_input_.Prepare(hidden, rows, channels_, workshop);
    RunProjections(down_input, {{&projections_.down, y}}, workshop);
    FinishRows(post_norm_, multiplier_, y, rows, width_, workshop);
  }

 private:
  // f(gate x) * up x, or f(up x): [rows, channels]. Gate, up and f of a unit of channels are
  // computed by one thread, while they are in its cache.
  const float* Hidden(const InputRows& x, const Workshop& workshop) const {
    Arena& arena = *workshop.arena;
    float* const up = arena.Take<float>(x.rows * channels_);
    float* const gate = gated_ ? arena.Take<float>(x.rows * channels_) : nullptr;
    if (arena.counting()) {
      return nullptr;
    }
    workshop.pool->ParallelFor(
        internal::OutputUnits(channels_), 1, [&](std::int64_t begin, std::int64_t end, int thread) {
          KernelTimer timer(workshop.profile, thread);
          projections_.up.Run(x, begin, end, up);
          if (gated_) {
            projections_.gate.Run(x, begin, end, gate);
          }
          timer.Lap(Kernel::kLinear);
          const std::int64_t first = begin * internal::kOutputUnit;
          const std::int64_t last = std::min(end * internal::kOutputUnit, channels_);
          for (std::int64_t m = 0; m < x.rows; ++m) {
            float* const up_part = up + m * channels_ + first;
            if (gated_) {
              activate_(gate + m * channels_ + first, up_part, up_part, last - first);
            } else {
              activate_(up_part, nullptr, up_part, last - first);
            }
          }
          timer.Lap(Kernel::kActivation);
        });
    return up;
  }

  const std::int64_t width_;
  const std::int64_t channels_;
  const bool gated_;
  const float multiplier_;
  const Projections projections_;
  const ActivateFn activate_;
  const internal::InputPreparation input_;
  const internal::InputPreparation down_input_;
  const internal::RowNorm post_norm_;
};

Result<std::unique_ptr<BoundBlock>> Bind(const Attributes& attributes,
                                         const internal::BoundTensors& tensors,
                                         const BindContext& context) {
  Projections projections;
  if (attributes.Choice("form") == "gated") {
    ASHLAR_TRY(projections.gate, Projection::Bind(tensors, "gate", "gate.bias", context.isa));
  }
  ASHLAR_TRY(projections.up, Projection::Bind(tensors, "up", "up.bias", context.isa));
  ASHLAR_TRY(projections.down, Projection::Bind(tensors, "down", "down.bias", context.isa));
  ASHLAR_TRY(const Activation activation, FindActivation(attributes.Choice("activation")));
  return std::make_unique<MlpBlock>(attributes, tensors, std::move(projections),
                                    FindActivate(activation, context.isa), context.isa);
}

}  // namespace

constinit const CpuKind kMlpOnCpu{.declaration = &kMlp, .bind = Bind};

}  // namespace ashlar
