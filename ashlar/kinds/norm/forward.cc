#include "ashlar/kinds/internal/row_norm.h"
#include "ashlar/kinds/norm/norm.h"
#include "ashlar/kinds/norm/norm_settings.h"

namespace ashlar {
namespace {

constexpr std::int64_t kRowGrain = 4;  // rows that a thread norms at once

class NormBlock final : public BoundBlock {
 public:
  NormBlock(const Attributes& attributes, const internal::BoundTensors& tensors, Isa isa)
      : norm_(internal::SettingsOfNorm(attributes), "", tensors, isa) {}

  void Forward(const RowBatch& batch, const float* x, float* y,
               const Workshop& workshop) const override {
    if (workshop.arena->counting()) {
      return;
    }
    const std::int64_t width = norm_.width();
    workshop.pool->ParallelFor(batch.rows, kRowGrain,
                               [&](std::int64_t begin, std::int64_t end, int thread) {
                                 KernelTimer timer(workshop.profile, thread);
                                 for (std::int64_t m = begin; m < end; ++m) {
                                   norm_.Apply(x + m * width, y + m * width);
                                 }
                                 timer.Lap(Kernel::kNorm);
                               });
  }

 private:
  const internal::RowNorm norm_;
};

Result<std::unique_ptr<BoundBlock>> Bind(const Attributes& attributes,
                                         const internal::BoundTensors& tensors,
                                         const BindContext& context) {
  return std::make_unique<NormBlock>(attributes, tensors, context.isa);
}

}  // namespace

constinit const CpuKind kNormOnCpu{.declaration = &kNorm, .bind = Bind};

}  // namespace ashlar
