#include "ashlar/kinds/internal/feed_forward.h"

#include <algorithm>

#include "ashlar/kernels/form.h"
#include "ashlar/kinds/internal/norm_attributes.h"

namespace ashlar::internal {
namespace {

static_assert(kOutputUnit % kGroup == 0 && kOutputUnit % kSplitInputs == 0,
              "a unit of channels is whole groups of the rounding, and whole blocks of parts");

// The views from a channel on, which begins a group or a block. (In `rounded` groups lie side by
// side; where rows are cut into tiles, so do blocks of a tile.)
QuantizedRows FromColumn(const QuantizedRows& rounded, std::int64_t column) {
  QuantizedRows from = rounded;
  from.q += column;
  from.scale += column / kGroup * rounded.stride_rows;
  from.sum += column / kGroup * rounded.stride_rows;
  return from;
}

SplitRows FromColumn(const SplitRows& split, std::int64_t column) {
  SplitRows from = split;
  from.pairs += column / kSplitInputs * kSplitParts * (kSplitInputs / 2) * split.tile_rows;
  return from;
}

// Of gate, and of up, of a thread, where one unit of the rows does not take more: 64 KB each.
constexpr std::int64_t kScratchFloats = std::int64_t{16} << 10;
// Units that tiles of split rows are multiplied with at least: of many rows, as many as go by a
// tile kernel's rows while they are in its cache.
constexpr std::int64_t kTileUnits = 8;
// Rows whose hidden channels stand in parts (six bytes each) at the same time.
constexpr std::int64_t kSplitRowsAtOnce = 128;

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
  bound.split_rows_ = FindForm(SplitRowsForms(), isa).fn;
  return bound;
}

HiddenScratch::HiddenScratch(std::int64_t rows, std::int64_t channels, WantedForms forms,
                             const Workshop& workshop) {
  const std::int64_t unit = rows * kOutputUnit;  // floats
  const std::int64_t threads = workshop.pool->threads();
  const std::int64_t least = forms.split ? kTileUnits : 1;
  // (A thread that gets more than its share of the loop gets it in several calls.)
  const std::int64_t most = (OutputUnits(channels) + threads - 1) / threads;
  floats_ = std::min(std::max(kScratchFloats, least * unit), most * unit);
  first_ = workshop.arena->Take<float>(threads * 2 * floats_);
}

void FeedForward::RunFormed(const InputRows& x, std::int64_t unit_begin, std::int64_t unit_end,
                            const HiddenScratch& scratch, const InputRows& hidden, int thread,
                            KernelTimer& timer) const {
  const WantedForms wanted = wanted_hidden();
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
    if (wanted.quantized) {
      quantize_rows_(up, count, x.rows, count, FromColumn(hidden.quantized, first));
      timer.Lap(Kernel::kQuantizeRows);
    }
    if (wanted.split) {
      const SplitRows split = FromColumn(hidden.split, first);
      split_rows_(up, count, x.rows, count, 0, ShapeOfSplit(x.rows, count).tiles, split);
      timer.Lap(Kernel::kSplitRows);
    }
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
  if (down_.reads_f32() || workshop.inputs != nullptr) {
    return RunProjections(PreparedRows(x, workshop), {{&down_, y}}, workshop);
  }
  const std::int64_t at_once = wanted_hidden().split ? kSplitRowsAtOnce : x.rows;
  for (std::int64_t first = 0; first < x.rows; first += at_once) {
    const ArenaScope part(*workshop.arena);
    const InputRows rows = x.Part(first, std::min(at_once, x.rows - first));
    const InputRows hidden = FormedRows(rows, workshop);
    if (workshop.arena->counting()) {
      return;  // the first are the most
    }
    RunProjections(hidden, {{&down_, y + first * down_.outputs()}}, workshop);
  }
}

InputRows FeedForward::FormedRows(const InputRows& x, const Workshop& workshop) const {
  const InputRows hidden = TakeForms(wanted_hidden(), x.rows, channels(), *workshop.arena);
  const HiddenScratch scratch(x.rows, channels(), wanted_hidden(), workshop);
  if (!workshop.arena->counting()) {
    workshop.pool->ParallelFor(
        OutputUnits(channels()), 1,
        [&](std::int64_t begin, std::int64_t end, int thread) {
          KernelTimer timer(workshop.profile, thread);
          RunFormed(x, begin, end, scratch, hidden, thread, timer);
        },
        ThreadPool::Items::kAlike);
  }
  return hidden;
}

InputRows FeedForward::PreparedRows(const InputRows& x, const Workshop& workshop) const {
  Arena& arena = *workshop.arena;
  float* const hidden = arena.Take<float>(x.rows * channels());
  float* const gate = gated() ? arena.Take<float>(x.rows * channels()) : nullptr;
  if (!arena.counting()) {
    workshop.pool->ParallelFor(
        OutputUnits(channels()), 1,
        [&](std::int64_t begin, std::int64_t end, int thread) {
          KernelTimer timer(workshop.profile, thread);
          RunHidden(x, begin, end, gate, hidden, timer);
        },
        ThreadPool::Items::kAlike);
  }
  return hidden_input_.Prepare(hidden, x.rows, channels(), workshop);
}

}  // namespace ashlar::internal
