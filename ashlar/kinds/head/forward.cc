#include <cmath>

#include "ashlar/kinds/head/head.h"
#include "ashlar/kinds/internal/projection.h"

namespace ashlar {
namespace {

class HeadBlock final : public BoundBlock {
 public:
  HeadBlock(const Attributes& attributes, internal::Projection weight, Isa isa)
      : width_(attributes.Integer("width")),
        multiplier_(static_cast<float>(attributes.Real("multiplier"))),
        soft_cap_(static_cast<float>(attributes.Real("soft_cap"))),
        weight_(std::move(weight)),
        input_(internal::RowNorm(), {&weight_}, isa) {}

  void Forward(const RowBatch& batch, const float* x, float* y,
               const Workshop& workshop) const override {
    const internal::ArenaScope scope(*workshop.arena);
    const internal::InputRows input = input_.Prepare(x, batch.rows, width_, workshop);
    RunProjections(input, {{&weight_, y}}, workshop);
    Cap(batch.rows, y, workshop);
  }

 private:
  // s <- cap(multiplier * s)
  void Cap(std::int64_t rows, float* y, const Workshop& workshop) const {
    if (workshop.arena->counting() || (multiplier_ == 1 && soft_cap_ == 0)) {
      return;
    }
    constexpr std::int64_t kGrain = 2048;  // logits
    workshop.pool->ParallelFor(rows * weight_.outputs(), kGrain,
                               [&](std::int64_t begin, std::int64_t end, int thread) {
                                 KernelTimer timer(workshop.profile, thread);
                                 for (std::int64_t i = begin; i < end; ++i) {
                                   const float s = multiplier_ * y[i];
                                   y[i] = soft_cap_ == 0 ? s : soft_cap_ * std::tanh(s / soft_cap_);
                                 }
                                 timer.Lap(Kernel::kActivation);
                               });
  }

  const std::int64_t width_;
  const float multiplier_;
  const float soft_cap_;
  const internal::Projection weight_;
  const internal::InputPreparation input_;
};

Result<std::unique_ptr<BoundBlock>> Bind(const Attributes& attributes,
                                         const internal::BoundTensors& tensors,
                                         const BindContext& context) {
  ASHLAR_TRY(internal::Projection weight,
             internal::Projection::Bind(tensors, "weight", "bias", context.isa));
  return std::make_unique<HeadBlock>(attributes, std::move(weight), context.isa);
}

}  // namespace

constinit const CpuKind kHeadOnCpu{.declaration = &kHead, .bind = Bind};

}  // namespace ashlar
