#include <numeric>
#include <optional>
#include <vector>

#include "ashlar/base/check.h"
#include "ashlar/kinds/embed/embed.h"
#include "ashlar/kinds/internal/bound_tensors.h"
#include "ashlar/kinds/internal/projection.h"

namespace ashlar {
namespace {

constexpr std::int64_t kRowGrain = 16;  // rows that a thread decodes at once

class EmbedBlock final : public BoundBlock {
 public:
  EmbedBlock(const Attributes& attributes, const internal::BoundTensors& tensors)
      : weight_(internal::TensorNamed(tensors, "weight")),
        positions_(internal::FindTensor(tensors, "positions")
                       ? std::optional(internal::TensorNamed(tensors, "positions"))
                       : std::nullopt),
        multiplier_(static_cast<float>(attributes.Real("multiplier"))) {
    CHECK_EQ(weight_.columns, weight_.stored_columns);  // nothing of it can be sliced
  }

  void Forward(const RowBatch& batch, const float* /*x*/, float* y,
               const Workshop& workshop) const override {
    const internal::ArenaScope scope(*workshop.arena);
    const std::int64_t width = weight_.columns;
    // For each thread a row of positions, decoded, and a row of differences.
    float* const scratch = workshop.arena->Take<float>(2 * workshop.pool->threads() * width);
    if (workshop.arena->counting()) {
      return;
    }
    if (workshop.inputs != nullptr) {
      workshop.inputs->OnLookup("weight", {batch.tokens, static_cast<std::size_t>(batch.rows)});
    }
    workshop.pool->ParallelFor(batch.rows, kRowGrain,
                               [&](std::int64_t begin, std::int64_t end, int thread) {
                                 KernelTimer timer(workshop.profile, thread);
                                 float* const difference = scratch + (2 * thread + 1) * width;
                                 for (std::int64_t m = begin; m < end; ++m) {
                                   const std::int64_t token = batch.tokens[m];
                                   float* const row = y + m * width;
                                   internal::DecodeRows(weight_, token, token + 1, row, difference);
                                   for (std::int64_t i = 0; i < width; ++i) {
                                     row[i] *= multiplier_;
                                   }
                                 }
                                 timer.Lap(Kernel::kDecode);
                               });
    if (positions_) {
      AddPositions(batch, scratch, y, workshop);
    }
  }

 private:
  void AddPositions(const RowBatch& batch, float* scratch, float* y,
                    const Workshop& workshop) const {
    const std::int64_t width = weight_.columns;
    for (const Segment& segment : batch.segments) {
      CHECK_LE(segment.first_position + segment.rows, positions_->rows);
      if (workshop.inputs != nullptr) {
        std::vector<std::int32_t> read(static_cast<std::size_t>(segment.rows));
        std::iota(read.begin(), read.end(), static_cast<std::int32_t>(segment.first_position));
        workshop.inputs->OnLookup("positions", read);
      }
      workshop.pool->ParallelFor(
          segment.rows, kRowGrain, [&](std::int64_t begin, std::int64_t end, int thread) {
            KernelTimer timer(workshop.profile, thread);
            float* const decoded = scratch + 2 * thread * width;
            float* const difference = decoded + width;
            for (std::int64_t i = begin; i < end; ++i) {
              const std::int64_t position = segment.first_position + i;
              internal::DecodeRows(*positions_, position, position + 1, decoded, difference);
              float* const row = y + (segment.first_row + i) * width;
              for (std::int64_t k = 0; k < width; ++k) {
                row[k] += decoded[k];
              }
            }
            timer.Lap(Kernel::kDecode);
          });
    }
  }

  const BoundTensor weight_;
  const std::optional<BoundTensor> positions_;
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
