#include "ashlar/base/check.h"
#include "ashlar/kinds/embed/embed.h"
#include "ashlar/kinds/internal/bound_tensors.h"

namespace ashlar {
namespace {

constexpr std::int64_t kRowGrain = 16;  // rows that a thread decodes at once

class EmbedBlock final : public BoundBlock {
 public:
  EmbedBlock(const Attributes& attributes, const internal::BoundTensors& tensors)
      : weight_(internal::TensorNamed(tensors, "weight")),
        multiplier_(static_cast<float>(attributes.Real("multiplier"))) {
    CHECK_EQ(weight_.columns, weight_.stored_columns);  // nothing of it can be sliced
  }

  void Forward(const RowBatch& batch, const float* /*x*/, float* y,
               const Workshop& workshop) const override {
    if (workshop.arena->counting()) {
      return;
    }
    const std::int64_t width = weight_.columns;
    workshop.pool->ParallelFor(
        batch.rows, kRowGrain, [&](std::int64_t begin, std::int64_t end, int thread) {
          KernelTimer timer(workshop.profile, thread);
          for (std::int64_t m = begin; m < end; ++m) {
            const std::int64_t token = batch.tokens[m];
            float* const row = y + m * width;
            weight_.codec->decode(weight_.data, width, token, token + 1, row);
            for (std::int64_t i = 0; i < width; ++i) {
              row[i] *= multiplier_;
            }
          }
          timer.Lap(Kernel::kDecode);
        });
  }

 private:
  const BoundTensor weight_;
  const float multiplier_;
};

Result<std::unique_ptr<BoundBlock>> Bind(const Attributes& attributes,
                                         const internal::BoundTensors& tensors,
                                         const BindContext&) {
  return std::make_unique<EmbedBlock>(attributes, tensors);
}

}  // namespace

constinit const CpuKind kEmbedOnCpu{.declaration = &kEmbed, .bind = Bind};

}  // namespace ashlar
