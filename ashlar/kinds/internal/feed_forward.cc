#include "ashlar/kinds/internal/feed_forward.h"

#include <algorithm>

#include "ashlar/kinds/internal/norm_attributes.h"

namespace ashlar::internal {

bool IsGated(const Attributes& attributes) {
  return attributes.Choice("form") == "gated";
}

void AppendFeedForwardTensors(const Attributes& attributes, std::string_view name,
                              std::int64_t width, std::int64_t channels,
                              std::vector<TensorSpec>& tensors) {
  const auto append = [&](std::string_view part, std::int64_t outputs, std::int64_t inputs) {
    const std::string matrix = TensorName(name, part);
    tensors.push_back({matrix, TensorRole::kMatrix, {outputs, inputs}});
    if (IsSet(attributes, "bias")) {
      tensors.push_back({TensorName(matrix, "bias"), TensorRole::kVector, {outputs}});
    }
  };
  if (IsGated(attributes)) {
    append("gate", channels, width);
  }
  append("up", channels, width);
  append("down", width, channels);
}

void HiddenFunction::Apply(float* gate, float* up, std::int64_t count) const {
  if (gate == nullptr) {
    activate(up, nullptr, up, count);
    return;
  }
  if (clamp != 0) {
    for (std::int64_t i = 0; i < count; ++i) {
      gate[i] = std::min(gate[i], clamp);
      up[i] = std::clamp(up[i], -clamp, clamp);
    }
  }
  if (gain != 1 || up_offset != 0) {
    for (std::int64_t i = 0; i < count; ++i) {
      gate[i] *= gain;
      up[i] = (up[i] + up_offset) / gain;
    }
  }
  activate(gate, up, up, count);
}

Result<FeedForward> FeedForward::Bind(const BoundTensors& tensors, std::string_view name,
                                      const HiddenFunction& f, Isa isa) {
  const auto bind = [&](std::string_view part) {
    const std::string matrix = TensorName(name, part);
    return Projection::Bind(tensors, matrix, TensorName(matrix, "bias"), isa);
  };
  FeedForward bound;
  bound.f_ = f;
  if (FindTensor(tensors, TensorName(name, "gate")) != nullptr) {
    ASHLAR_TRY(bound.gate_, bind("gate"));
  }
  ASHLAR_TRY(bound.up_, bind("up"));
  ASHLAR_TRY(bound.down_, bind("down"));
  bound.hidden_input_ = InputPreparation(RowNorm(), {&bound.down_}, isa);
  return bound;
}

void FeedForward::RunHidden(const InputRows& x, std::int64_t unit_begin, std::int64_t unit_end,
                            float* gate, float* hidden, KernelTimer& timer) const {
  up_.Run(x, unit_begin, unit_end, hidden);
  if (gated()) {
    gate_.Run(x, unit_begin, unit_end, gate);
  }
  timer.Lap(Kernel::kLinear);
  const std::int64_t first = unit_begin * kOutputUnit;
  const std::int64_t count = std::min(unit_end * kOutputUnit, channels()) - first;
  for (std::int64_t m = 0; m < x.rows; ++m) {
    const std::int64_t at = m * channels() + first;
    f_.Apply(gated() ? gate + at : nullptr, hidden + at, count);
  }
  timer.Lap(Kernel::kActivation);
}

void FeedForward::Run(const InputRows& x, float* y, const Workshop& workshop) const {
  Arena& arena = *workshop.arena;
  const ArenaScope scope(arena);
  float* const hidden = arena.Take<float>(x.rows * channels());
  float* const gate = gated() ? arena.Take<float>(x.rows * channels()) : nullptr;
  if (!arena.counting()) {
    if (workshop.inputs != nullptr) {
      ShowInput(x, input_readers(), workshop);
    }
    workshop.pool->ParallelFor(OutputUnits(channels()), 1,
                               [&](std::int64_t begin, std::int64_t end, int thread) {
                                 KernelTimer timer(workshop.profile, thread);
                                 RunHidden(x, begin, end, gate, hidden, timer);
                               });
  }
  const InputRows prepared = hidden_input_.Prepare(hidden, x.rows, channels(), workshop);
  RunProjections(prepared, {{&down_, y}}, workshop);
}

}  // namespace ashlar::internal
