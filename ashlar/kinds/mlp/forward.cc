#include "ashlar/kinds/internal/feed_forward.h"
#include "ashlar/kinds/internal/segment_loops.h"
#include "ashlar/kinds/internal/token_shift.h"
#include "ashlar/kinds/mlp/mlp.h"

namespace ashlar {
namespace {

using internal::FeedForward;
using internal::InputRows;
using internal::Projection;
using internal::RowNorm;

class MlpBlock final : public BoundBlock {
 public:
  MlpBlock(const Attributes& attributes, const internal::BoundTensors& tensors,
           FeedForward feed_forward, Projection out_gate, Isa isa)
      : width_(attributes.Integer("width")),
        multiplier_(static_cast<float>(attributes.Real("multiplier"))),
        feed_forward_(std::move(feed_forward)),
        out_gate_(std::move(out_gate)),
        shifted_(internal::IsSet(attributes, "shift")),
        norm_(RowNorm(internal::SettingsOf(attributes, "norm"), "norm", tensors, isa)),
        input_(shifted_ ? RowNorm() : norm_,
               shifted_ ? feed_forward_.wanted_input()
                        : feed_forward_.wanted_input() | out_gate_.wanted(),
               isa),
        gate_input_(RowNorm(), out_gate_.wanted(), isa),
        shift_norm_(norm_, internal::WantedForms(), isa),
        post_norm_(internal::SettingsOf(attributes, "post_norm"), "post_norm", tensors, isa),
        sigmoid_(FindActivate(Activation::kSigmoid, isa)) {
    if (shifted_) {
      shift_ = gated_out() ? internal::TokenShift(tensors, {"mix.up", "mix.out_gate"}, 0)
                           : internal::TokenShift(tensors, {"mix.up"}, 0);
    }
  }

  void Forward(const RowBatch& batch, const float* x, float* y,
               const Workshop& workshop) const override {
    Arena& arena = *workshop.arena;
    const internal::ArenaScope scope(arena);
    float* const gate = gated_out() ? arena.Take<float>(batch.rows * width_) : nullptr;
    shifted_ ? RunShifted(batch, x, gate, y, workshop) : RunPlain(batch, x, gate, y, workshop);
    if (gated_out() && !arena.counting()) {
      internal::ForEachRow(
          batch, workshop, [&](const Segment&, std::int64_t row, std::int64_t, KernelTimer& timer) {
            sigmoid_(gate + row * width_, y + row * width_, y + row * width_, width_);
            timer.Lap(Kernel::kActivation);
          });
    }
    FinishRows(post_norm_, multiplier_, y, batch.rows, width_, workshop);
  }

 private:
  bool gated_out() const { return out_gate_.outputs() > 0; }

  void RunPlain(const RowBatch& batch, const float* x, float* gate, float* y,
                const Workshop& workshop) const {
    const InputRows input = input_.Prepare(x, batch.rows, width_, workshop);
    feed_forward_.Run(input, y, workshop);
    if (gated_out()) {
      RunProjections(input, {{&out_gate_, gate}}, workshop);
    }
  }

  void RunShifted(const RowBatch& batch, const float* x, float* gate, float* y,
                  const Workshop& workshop) const {
    Arena& arena = *workshop.arena;
    const InputRows normed = shift_norm_.Prepare(x, batch.rows, width_, workshop);
    float* const for_up = arena.Take<float>(batch.rows * width_);
    float* const for_gate = gated_out() ? arena.Take<float>(batch.rows * width_) : nullptr;
    if (gated_out()) {
      shift_.Run(batch, normed.x, {for_up, for_gate}, workshop);
      RunProjections(gate_input_.Prepare(for_gate, batch.rows, width_, workshop),
                     {{&out_gate_, gate}}, workshop);
    } else {
      shift_.Run(batch, normed.x, {for_up}, workshop);
    }
    feed_forward_.Run(input_.Prepare(for_up, batch.rows, width_, workshop), y, workshop);
  }

  const std::int64_t width_;
  const float multiplier_;
  const FeedForward feed_forward_;
  const Projection out_gate_;  // without outputs: none
  const bool shifted_;
  const RowNorm norm_;
  const internal::InputPreparation input_;  // of gate and up
  const internal::InputPreparation gate_input_;
  const internal::InputPreparation shift_norm_;
  const RowNorm post_norm_;
  const ActivateFn sigmoid_;
  internal::TokenShift shift_;
};

Result<std::unique_ptr<BoundBlock>> Bind(const Attributes& attributes,
                                         const internal::BoundTensors& tensors,
                                         const BindContext& context) {
  ASHLAR_TRY(const Activation activation, FindActivation(attributes.Choice("activation")));
  ASHLAR_TRY(FeedForward feed_forward,
             FeedForward::Bind(tensors, "", {.activate = FindActivate(activation, context.isa)},
                               context.isa));
  Projection out_gate;
  if (internal::IsSet(attributes, "out_gate")) {
    ASHLAR_TRY(out_gate, Projection::Bind(tensors, "out_gate", "out_gate.bias", context.isa));
  }
  return std::make_unique<MlpBlock>(attributes, tensors, std::move(feed_forward),
                                    std::move(out_gate), context.isa);
}

}  // namespace

constinit const CpuKind kMlpOnCpu{.declaration = &kMlp, .bind = Bind};

}  // namespace ashlar
