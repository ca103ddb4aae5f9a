#include "ashlar/kinds/internal/feed_forward.h"

#include <algorithm>

#include "ashlar/kernels/form.h"
#include "ashlar/kinds/internal/norm_attributes.h"

namespace ashlar::internal {
namespace {

// Of gate, and of up, of a thread, where one unit of the rows does not take more: 64 KB each.
constexpr std::int64_t kScratchFloats = std::int64_t{16} << 10;

}  // namespace

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
  bound.quantize_rows_ = FindForm(QuantizeRowsForms(), isa).fn;
  return bound;
}

RoundingScratch::RoundingScratch(std::int64_t rows, std::int64_t channels, const Workshop& workshop)
    : floats_(std::clamp(kScratchFloats, rows * kOutputUnit,
                         rows * OutputUnits(channels) * kOutputUnit)),
      first_(workshop.arena->Take<float>(workshop.pool->threads() * 2 * floats_)) {}

void FeedForward::RunRounded(const InputRows& x, std::int64_t unit_begin, std::int64_t unit_end,
                             const RoundingScratch& scratch, const QuantizedRows& hidden,
                             int thread, KernelTimer& timer) const {
  float* const gate = gated() ? scratch.gate(thread) : nullptr;
  float* const up = scratch.up(thread);
  const std::int64_t at_once = scratch.UnitsAtOnce(x.rows);
  for (std::int64_t unit = unit_begin; unit < unit_end; unit += at_once) {
    const std::int64_t end = std::min(unit + at_once, unit_end);
    const std::int64_t first = unit * kOutputUnit;
    const std::int64_t count = std::min(end * kOutputUnit, channels()) - first;
    // (A projection counts outputs from its first.)
    up_.Run(x, unit, end, up - first, count);
    if (gated()) {
      gate_.Run(x, unit, end, gate - first, count);
    }
    timer.Lap(Kernel::kLinear);
    f_.Apply(gate, up, x.rows * count);
    timer.Lap(Kernel::kActivation);
    QuantizedRows rounded = hidden;
    rounded.q += first;
    rounded.scale += first / kGroup * rounded.stride_rows;
    rounded.sum += first / kGroup * rounded.stride_rows;
    quantize_rows_(up, count, x.rows, count, rounded);
    timer.Lap(Kernel::kQuantizeRows);
  }
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
  const ArenaScope scope(*workshop.arena);
  if (workshop.inputs != nullptr) {
    ShowInput(x, input_readers(), workshop);
  }
  // (Whoever observes inputs wants floats.)
  const InputRows hidden = down_.reads_int8_only() && workshop.inputs == nullptr
                               ? RoundedRows(x, workshop)
                               : PreparedRows(x, workshop);
  RunProjections(hidden, {{&down_, y}}, workshop);
}

InputRows FeedForward::RoundedRows(const InputRows& x, const Workshop& workshop) const {
  const InputRows hidden = TakeInt8Rows(x.rows, channels(), *workshop.arena);
  const RoundingScratch scratch(x.rows, channels(), workshop);
  if (!workshop.arena->counting()) {
    workshop.pool->ParallelFor(
        OutputUnits(channels()), 1, [&](std::int64_t begin, std::int64_t end, int thread) {
          KernelTimer timer(workshop.profile, thread);
          RunRounded(x, begin, end, scratch, hidden.quantized, thread, timer);
        });
  }
  return hidden;
}

InputRows FeedForward::PreparedRows(const InputRows& x, const Workshop& workshop) const {
  Arena& arena = *workshop.arena;
  float* const hidden = arena.Take<float>(x.rows * channels());
  float* const gate = gated() ? arena.Take<float>(x.rows * channels()) : nullptr;
  if (!arena.counting()) {
    workshop.pool->ParallelFor(OutputUnits(channels()), 1,
                               [&](std::int64_t begin, std::int64_t end, int thread) {
                                 KernelTimer timer(workshop.profile, thread);
                                 RunHidden(x, begin, end, gate, hidden, timer);
                               });
  }
  return hidden_input_.Prepare(hidden, x.rows, channels(), workshop);
}

}  // namespace ashlar::internal
