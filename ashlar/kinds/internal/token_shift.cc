#include "ashlar/kinds/internal/token_shift.h"

#include <algorithm>

#include "ashlar/base/check.h"

namespace ashlar::internal {

TokenShift::TokenShift(const BoundTensors& tensors, std::initializer_list<std::string_view> mixes,
                       std::int64_t state_offset)
    : state_offset_(state_offset) {
  for (const std::string_view mix : mixes) {
    mixes_.push_back(CopyVector(TensorNamed(tensors, mix)));
  }
}

void TokenShift::Run(const RowBatch& batch, const float* x, std::initializer_list<float*> outs,
                     const Workshop& workshop) const {
  CHECK_EQ(outs.size(), mixes_.size());
  if (workshop.arena->counting()) {
    return;
  }
  constexpr std::int64_t kFloatsPerPart = 256;
  const auto width = static_cast<std::int64_t>(mixes_.front().size());
  const auto shift = [&](const CarriedRun& run, std::int64_t part) {
    const std::int64_t first = part * kFloatsPerPart;
    const std::int64_t count = std::min(kFloatsPerPart, width - first);
    float* const carried = run.Continue(state_offset_ + first, count);
    const float* before = carried;
    for (std::int64_t row = run.first_row; row < run.first_row + run.rows; ++row) {
      const float* const now = x + row * width + first;
      for (std::size_t i = 0; i < mixes_.size(); ++i) {
        const float* const mix = mixes_[i].data() + first;
        float* const out = outs.begin()[i] + row * width + first;
        for (std::int64_t c = 0; c < count; ++c) {
          out[c] = mix[c] * now[c] + (1 - mix[c]) * before[c];
        }
      }
      before = now;
    }
    std::copy_n(before, count, carried);
  };
  ForEachCarriedRun(batch, PartsOf(width, kFloatsPerPart), workshop, shift);
}

}  // namespace ashlar::internal
