#include "ashlar/kinds/internal/projection.h"
#include "ashlar/kinds/linear/linear.h"

namespace ashlar {
namespace {

class LinearBlock final : public BoundBlock {
 public:
  LinearBlock(const Attributes& attributes, const internal::BoundTensors& tensors,
              internal::Projection weight, Isa isa)
      : width_in_(attributes.Integer("width_in")),
        weight_(std::move(weight)),
        input_(internal::RowNorm(internal::SettingsOf(attributes, "norm"), "norm", tensors, isa),
               {&weight_}, isa) {}

  void Forward(const RowBatch& batch, const float* x, float* y,
               const Workshop& workshop) const override {
    const internal::ArenaScope scope(*workshop.arena);
    const internal::InputRows input = input_.Prepare(x, batch.rows, width_in_, workshop);
    RunProjections(input, {{&weight_, y}}, workshop);
  }

 private:
  const std::int64_t width_in_;
  const internal::Projection weight_;
  const internal::InputPreparation input_;
};

Result<std::unique_ptr<BoundBlock>> Bind(const Attributes& attributes,
                                         const internal::BoundTensors& tensors,
                                         const BindContext& context) {
  ASHLAR_TRY(internal::Projection weight,
             internal::Projection::Bind(tensors, "weight", "bias", context.isa));
  return std::make_unique<LinearBlock>(attributes, tensors, std::move(weight), context.isa);
}

}  // namespace

constinit const CpuKind kLinearOnCpu{.declaration = &kLinear, .bind = Bind};

}  // namespace ashlar
