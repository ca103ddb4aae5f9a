#include <algorithm>

#include "ashlar/kernels/add_scaled/add_scaled.h"
#include "ashlar/kernels/form.h"
#include "ashlar/kinds/internal/feed_forward.h"
#include "ashlar/kinds/moe/moe.h"
#include "ashlar/kinds/moe/router.h"

namespace ashlar {
namespace {

using internal::FeedForward;
using internal::InputRows;
using internal::OutputUnits;
using internal::Projection;
using internal::Router;
using internal::Routes;
using internal::RowNorm;

// Pairs of a row and an expert that are computed side by side, or as many as there are rows when
// those are more: enough to read each expert once, with scratch that grows with the rows and not
// with the experts per row.
constexpr std::int64_t kPairsAtOnce = 256;
constexpr std::int64_t kMixRows = 4;  // rows that a thread gathers or adds up at once

struct Parts {
  Router router;
  std::vector<FeedForward> experts;
  FeedForward shared;      // without channels: none
  Projection shared_gate;  // without outputs: none
};

class MoeBlock final : public BoundBlock {
 public:
  MoeBlock(const Attributes& attributes, const internal::BoundTensors& tensors, Parts parts,
           Isa isa)
      : width_(attributes.Integer("width")),
        channels_(attributes.Integer("channels")),
        gated_(internal::IsGated(attributes)),
        multiplier_(static_cast<float>(attributes.Real("multiplier"))),
        parts_(std::move(parts)),
        input_(RowNorm(internal::SettingsOf(attributes, "norm"), "norm", tensors, isa),
               parts_.router.wanted() | parts_.shared.wanted_input() | parts_.shared_gate.wanted(),
               isa),
        expert_input_(RowNorm(), internal::AllWanted(parts_.experts, &FeedForward::wanted_input),
                      isa),
        hidden_input_(RowNorm(), internal::AllWanted(parts_.experts, &FeedForward::wanted_hidden),
                      isa),
        post_norm_(internal::SettingsOf(attributes, "post_norm"), "post_norm", tensors, isa),
        add_scaled_(FindForm(AddScaledForms(), isa).fn) {}

  void Forward(const RowBatch& batch, const float* x, float* y,
               const Workshop& workshop) const override {
    const internal::ArenaScope scope(*workshop.arena);
    const InputRows input = input_.Prepare(x, batch.rows, width_, workshop);
    const Routes routes = parts_.router.Route(input, workshop);
    if (workshop.experts != nullptr && !workshop.arena->counting()) {
      workshop.experts->OnChosen(parts_.router.per_row(),
                                 {routes.experts, static_cast<std::size_t>(routes.pairs)});
    }
    RunShared(input, y, workshop);
    AddExperts(input, routes, y, workshop);
    FinishRows(post_norm_, multiplier_, y, batch.rows, width_, workshop);
  }

 private:
  // What flows through the experts, in scratch: pairs [first, first + count) of the routes.
  struct Pairs {
    std::int64_t first, count;
    float* x;       // [count, width]
    float* gate;    // [count, channels], or null
    float* hidden;  // [count, channels]
    float* out;     // [count, width]
  };

  // y = the shared expert's part, or zeros.
  void RunShared(const InputRows& x, float* y, const Workshop& workshop) const {
    Arena& arena = *workshop.arena;
    if (parts_.shared.channels() == 0) {
      if (!arena.counting()) {
        std::fill_n(y, x.rows * width_, 0.0f);
      }
      return;
    }
    parts_.shared.Run(x, y, workshop);
    if (parts_.shared_gate.outputs() == 0) {
      return;
    }
    const internal::ArenaScope scope(arena);
    float* const gates = arena.Take<float>(x.rows);
    RunProjections(x, {{&parts_.shared_gate, gates}}, workshop);
    if (arena.counting()) {
      return;
    }
    for (std::int64_t row = 0; row < x.rows; ++row) {
      const float gate = internal::Sigmoid(gates[row]);
      for (std::int64_t i = 0; i < width_; ++i) {
        y[row * width_ + i] *= gate;
      }
    }
  }

  // y += weight * expert(x), for each row's experts in ascending order.
  void AddExperts(const InputRows& x, const Routes& routes, float* y,
                  const Workshop& workshop) const {
    Arena& arena = *workshop.arena;
    const std::int64_t room = std::min(routes.pairs, std::max(x.rows, kPairsAtOnce));
    for (std::int64_t first = 0; first < routes.pairs; first += room) {
      const internal::ArenaScope scope(arena);
      const std::int64_t count = std::min(room, routes.pairs - first);
      const Pairs pairs = {.first = first,
                           .count = count,
                           .x = arena.Take<float>(count * width_),
                           .gate = gated_ ? arena.Take<float>(count * channels_) : nullptr,
                           .hidden = arena.Take<float>(count * channels_),
                           .out = arena.Take<float>(count * width_)};
      Gather(x, routes, pairs, workshop);
      const InputRows input = expert_input_.Prepare(pairs.x, count, width_, workshop);
      ShowRows(routes, pairs, input, &FeedForward::input_readers, workshop);
      ForEachUnit(routes, pairs, OutputUnits(channels_), workshop,
                  [&](const FeedForward& expert, std::int64_t from, std::int64_t rows,
                      std::int64_t begin, std::int64_t end, KernelTimer& timer) {
                    expert.RunHidden(input.Part(from, rows), begin, end,
                                     gated_ ? pairs.gate + from * channels_ : nullptr,
                                     pairs.hidden + from * channels_, timer);
                  });
      const InputRows hidden = hidden_input_.Prepare(pairs.hidden, count, channels_, workshop);
      ShowRows(routes, pairs, hidden, &FeedForward::hidden_readers, workshop);
      ForEachUnit(routes, pairs, OutputUnits(width_), workshop,
                  [&](const FeedForward& expert, std::int64_t from, std::int64_t rows,
                      std::int64_t begin, std::int64_t end, KernelTimer& timer) {
                    expert.down().Run(hidden.Part(from, rows), begin, end,
                                      pairs.out + from * width_);
                    timer.Lap(Kernel::kLinear);
                  });
      AddUp(routes, pairs, x.rows, y, workshop);
    }
  }

  void Gather(const InputRows& x, const Routes& routes, const Pairs& pairs,
              const Workshop& workshop) const {
    if (workshop.arena->counting()) {
      return;
    }
    workshop.pool->ParallelFor(
        pairs.count, kMixRows, [&](std::int64_t begin, std::int64_t end, int thread) {
          KernelTimer timer(workshop.profile, thread);
          for (std::int64_t i = begin; i < end; ++i) {
            const float* const row = x.x + routes.row_of[pairs.first + i] * width_;
            std::copy_n(row, width_, pairs.x + i * width_);
          }
          timer.Lap(Kernel::kActivation);
        });
  }

  // The rows of an expert among the pairs; none when the end is not after the beginning.
  static std::int64_t BeginOf(std::int64_t expert, const Routes& routes, const Pairs& pairs) {
    return std::max(routes.first_pair[expert] - pairs.first, std::int64_t{0});
  }
  static std::int64_t EndOf(std::int64_t expert, const Routes& routes, const Pairs& pairs) {
    return std::min(routes.first_pair[expert + 1] - pairs.first, pairs.count);
  }

  // Shows each expert's rows to whoever observes inputs.
  void ShowRows(const Routes& routes, const Pairs& pairs, const InputRows& x,
                std::vector<const Projection*> (FeedForward::*readers)() const,
                const Workshop& workshop) const {
    if (workshop.inputs == nullptr || workshop.arena->counting()) {
      return;
    }
    for (std::int64_t e = 0; e < parts_.router.experts(); ++e) {
      const std::int64_t from = BeginOf(e, routes, pairs);
      if (const std::int64_t end = EndOf(e, routes, pairs); from < end) {
        ShowInput(x.Part(from, end - from), (parts_.experts[e].*readers)(), workshop);
      }
    }
  }

  // Shares (expert that has some of the pairs) x (unit of outputs) out over the threads:
  // body(expert, first of its rows among the pairs, rows, first unit, last unit, timer).
  template <class Body>
  void ForEachUnit(const Routes& routes, const Pairs& pairs, std::int64_t units,
                   const Workshop& workshop, const Body& body) const {
    Arena& arena = *workshop.arena;
    const internal::ArenaScope scope(arena);
    std::int32_t* const used = arena.Take<std::int32_t>(parts_.router.experts());
    if (arena.counting()) {
      return;
    }
    std::int64_t experts = 0;
    for (std::int64_t e = 0; e < parts_.router.experts(); ++e) {
      if (BeginOf(e, routes, pairs) < EndOf(e, routes, pairs)) {
        used[experts++] = static_cast<std::int32_t>(e);
      }
    }
    workshop.pool->ParallelFor(
        experts * units, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
          KernelTimer timer(workshop.profile, thread);
          while (begin < end) {
            const std::int64_t e = used[begin / units];
            const std::int64_t unit = begin % units;
            const std::int64_t last = std::min(units, unit + end - begin);
            const std::int64_t from = BeginOf(e, routes, pairs);
            body(parts_.experts[e], from, EndOf(e, routes, pairs) - from, unit, last, timer);
            begin += last - unit;
          }
        });
  }

  void AddUp(const Routes& routes, const Pairs& pairs, std::int64_t rows, float* y,
             const Workshop& workshop) const {
    if (workshop.arena->counting()) {
      return;
    }
    const std::int64_t per_row = parts_.router.per_row();
    workshop.pool->ParallelFor(
        rows, kMixRows, [&](std::int64_t begin, std::int64_t end, int thread) {
          KernelTimer timer(workshop.profile, thread);
          for (std::int64_t i = begin * per_row; i < end * per_row; ++i) {
            const std::int64_t pair = routes.pair_of[i] - pairs.first;
            if (pair >= 0 && pair < pairs.count) {
              float* const row = y + i / per_row * width_;
              add_scaled_(routes.weights[i], pairs.out + pair * width_, row, row, width_);
            }
          }
          timer.Lap(Kernel::kAddScaled);
        });
  }

  const std::int64_t width_;
  const std::int64_t channels_;
  const bool gated_;
  const float multiplier_;
  const Parts parts_;
  const internal::InputPreparation input_;
  const internal::InputPreparation expert_input_;
  const internal::InputPreparation hidden_input_;
  const RowNorm post_norm_;
  const AddScaledFn add_scaled_;
};

Result<std::unique_ptr<BoundBlock>> Bind(const Attributes& attributes,
                                         const internal::BoundTensors& tensors,
                                         const BindContext& context) {
  ASHLAR_TRY(const Activation activation, FindActivation(attributes.Choice("activation")));
  const internal::HiddenFunction f = {
      .activate = FindActivate(activation, context.isa),
      .gain = static_cast<float>(attributes.Real("gate_gain")),
      .clamp = static_cast<float>(attributes.Real("clamp")),
      .up_offset = static_cast<float>(attributes.Real("up_offset"))};
  Parts parts;
  ASHLAR_TRY(parts.router, Router::Bind(attributes, tensors, context.isa));
  for (std::int64_t e = 0; e < attributes.Integer("experts"); ++e) {
    ASHLAR_TRY(FeedForward expert,
               FeedForward::Bind(tensors, internal::ExpertName(e), f, context.isa));
    parts.experts.push_back(std::move(expert));
  }
  if (attributes.Integer("shared_channels") > 0) {
    ASHLAR_TRY(parts.shared, FeedForward::Bind(tensors, "shared", f, context.isa));
  }
  if (internal::IsSet(attributes, "shared_gate")) {
    ASHLAR_TRY(parts.shared_gate, Projection::Bind(tensors, "shared_gate", "", context.isa));
  }
  return std::make_unique<MoeBlock>(attributes, tensors, std::move(parts), context.isa);
}

}  // namespace

constinit const CpuKind kMoeOnCpu{.declaration = &kMoe, .bind = Bind};

}  // namespace ashlar
