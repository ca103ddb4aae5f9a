#include "ashlar/kinds/internal/feed_forward.h"
#include "ashlar/kinds/mlp/mlp.h"

namespace ashlar {
namespace {

using internal::FeedForward;
using internal::RowNorm;

class MlpBlock final : public BoundBlock {
 public:
  MlpBlock(const Attributes& attributes, const internal::BoundTensors& tensors,
           FeedForward feed_forward, Isa isa)
      : width_(attributes.Integer("width")),
        multiplier_(static_cast<float>(attributes.Real("multiplier"))),
        feed_forward_(std::move(feed_forward)),
        input_(RowNorm(internal::SettingsOf(attributes, "norm"), "norm", tensors, isa),
               feed_forward_.wants_quantized_input(), isa),
        post_norm_(internal::SettingsOf(attributes, "post_norm"), "post_norm", tensors, isa) {}

  void Forward(const RowBatch& batch, const float* x, float* y,
               const Workshop& workshop) const override {
    const internal::ArenaScope scope(*workshop.arena);
    feed_forward_.Run(input_.Prepare(x, batch.rows, width_, workshop), y, workshop);
    FinishRows(post_norm_, multiplier_, y, batch.rows, width_, workshop);
  }

 private:
  const std::int64_t width_;
  const float multiplier_;
  const FeedForward feed_forward_;
  const internal::InputPreparation input_;
  const RowNorm post_norm_;
};

Result<std::unique_ptr<BoundBlock>> Bind(const Attributes& attributes,
                                         const internal::BoundTensors& tensors,
                                         const BindContext& context) {
  ASHLAR_TRY(const Activation activation, FindActivation(attributes.Choice("activation")));
  ASHLAR_TRY(FeedForward feed_forward,
             FeedForward::Bind(tensors, "", {.activate = FindActivate(activation, context.isa)},
                               context.isa));
  return std::make_unique<MlpBlock>(attributes, tensors, std::move(feed_forward), context.isa);
}

}  // namespace

constinit const CpuKind kMlpOnCpu{.declaration = &kMlp, .bind = Bind};

}  // namespace ashlar
