// With x, b, c and the step of a row, decay rates a < 0, and h the state of a channel of head i:
//   d = softplus(step[i] + step_offset[i]), within [step_min, step_max]
//   h[n] = exp(d a[i, n]) h[n] + d x b[n]        y = sum_n c[n] h[n] + skip[i] x
// row by row, each head by itself.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ashlar/kernels/form.h"
#include "ashlar/kernels/selective_scan/selective_scan.h"
#include "ashlar/kinds/internal/feed_forward.h"
#include "ashlar/kinds/internal/softplus.h"
#include "ashlar/kinds/ssm/ssm.h"
#include "ashlar/kinds/ssm/ssm_settings.h"

namespace ashlar {
namespace {

using internal::CarriedRun;
using internal::CausalConv;
using internal::InputRows;
using internal::Projection;
using internal::RowNorm;
using internal::SsmSizes;

constexpr std::int64_t kScanChannelsPerPart = 64;

struct SsmMatrices {
  Projection gate, x, b, c, step_down, step, o;
};

class SsmBlock final : public BoundBlock {
 public:
  SsmBlock(const Attributes& attributes, const internal::BoundTensors& tensors,
           SsmMatrices matrices, ActivateFn activate, Isa isa)
      : sizes_(attributes),
        heads_per_part_(std::max<std::int64_t>(1, kScanChannelsPerPart / sizes_.head_dim)),
        multiplier_(static_cast<float>(attributes.Real("multiplier"))),
        step_min_(static_cast<float>(attributes.Real("step_min"))),
        step_max_(attributes.Real("step_max") == 0
                      ? std::numeric_limits<float>::infinity()
                      : static_cast<float>(attributes.Real("step_max"))),
        activate_(activate),
        scan_(FindForm(SelectiveScanForms(), isa).fn),
        matrices_(std::move(matrices)),
        input_(RowNorm(internal::SettingsOf(attributes, "norm"), "norm", tensors, isa),
               {&matrices_.gate, &matrices_.x, &matrices_.b, &matrices_.step}, isa),
        convolved_input_(RowNorm(), {&matrices_.b, &matrices_.step_down}, isa),
        step_input_(RowNorm(), {&matrices_.step}, isa),
        o_input_(RowNorm(internal::GateNormOf(attributes), "gate_norm", tensors, isa),
                 {&matrices_.o}, isa),
        post_norm_(internal::SettingsOf(attributes, "post_norm"), "post_norm", tensors, isa),
        step_offset_(internal::CopyVector(internal::TensorNamed(tensors, "step_offset"))),
        decay_(internal::CopyVector(internal::TensorNamed(tensors, "decay_log"))),
        skip_(internal::CopyVector(internal::TensorNamed(tensors, "skip"))) {
    for (float& decay : decay_) {
      decay = -std::exp(decay);
    }
    std::int64_t offset = sizes_.scan_floats();
    const auto conv = [&](const char* name, std::int64_t channels) {
      CausalConv made(attributes, name, tensors, activate, offset);
      offset += CausalConv::StateFloats(attributes, channels);
      return made;
    };
    conv_x_ = conv("conv.x", sizes_.channels());
    if (!sizes_.selects_convolved()) {
      conv_b_ = conv("conv.b", sizes_.vectors());
      conv_c_ = conv("conv.c", sizes_.vectors());
    }
  }

  void Forward(const RowBatch& batch, const float* x, float* y,
               const Workshop& workshop) const override {
    Arena& arena = *workshop.arena;
    const internal::ArenaScope scope(arena);
    const std::int64_t rows = batch.rows;
    const Scratch scratch = {.gate = arena.Take<float>(rows * sizes_.channels()),
                             .x = arena.Take<float>(rows * sizes_.channels()),
                             .b = arena.Take<float>(rows * sizes_.vectors()),
                             .c = arena.Take<float>(rows * sizes_.vectors()),
                             .step = arena.Take<float>(rows * sizes_.heads)};
    const InputRows input = input_.Prepare(x, rows, sizes_.width, workshop);
    sizes_.selects_convolved() ? SelectByConvolved(batch, input, scratch, workshop)
                               : SelectByInput(batch, input, scratch, workshop);
    Scan(batch, scratch, workshop);
    const InputRows gated = o_input_.Prepare(scratch.x, rows, sizes_.channels(), workshop);
    RunProjections(gated, {{&matrices_.o, y}}, workshop);
    FinishRows(post_norm_, multiplier_, y, rows, sizes_.width, workshop);
  }

 private:
  struct Scratch {
    float* gate;  // [rows, channels]
    float* x;     // [rows, channels]; after the scan, the gated rows
    float* b;     // [rows, groups, state_dim]
    float* c;     // [rows, groups, state_dim]
    float* step;  // [rows, heads]
  };

  void SelectByConvolved(const RowBatch& batch, const InputRows& input, const Scratch& scratch,
                         const Workshop& workshop) const {
    const internal::ArenaScope scope(*workshop.arena);
    float* const low = workshop.arena->Take<float>(batch.rows * sizes_.step_rank);
    RunProjections(input, {{&matrices_.gate, scratch.gate}, {&matrices_.x, scratch.x}}, workshop);
    conv_x_.Run(batch, scratch.x, workshop);
    const InputRows convolved =
        convolved_input_.Prepare(scratch.x, batch.rows, sizes_.channels(), workshop);
    RunProjections(
        convolved,
        {{&matrices_.b, scratch.b}, {&matrices_.c, scratch.c}, {&matrices_.step_down, low}},
        workshop);
    RunProjections(step_input_.Prepare(low, batch.rows, sizes_.step_rank, workshop),
                   {{&matrices_.step, scratch.step}}, workshop);
  }

  void SelectByInput(const RowBatch& batch, const InputRows& input, const Scratch& scratch,
                     const Workshop& workshop) const {
    RunProjections(input,
                   {{&matrices_.gate, scratch.gate},
                    {&matrices_.x, scratch.x},
                    {&matrices_.b, scratch.b},
                    {&matrices_.c, scratch.c},
                    {&matrices_.step, scratch.step}},
                   workshop);
    conv_x_.Run(batch, scratch.x, workshop);
    conv_b_.Run(batch, scratch.b, workshop);
    conv_c_.Run(batch, scratch.c, workshop);
  }

  void Scan(const RowBatch& batch, const Scratch& scratch, const Workshop& workshop) const {
    if (workshop.arena->counting()) {
      return;
    }
    const std::int64_t head_floats = sizes_.head_dim * sizes_.state_dim;
    const auto scan = [&](const CarriedRun& run, std::int64_t part) {
      const std::int64_t begin = part * heads_per_part_;
      const std::int64_t end = std::min(begin + heads_per_part_, sizes_.heads);
      float* const state = run.Continue(begin * head_floats, (end - begin) * head_floats);
      for (std::int64_t row = run.first_row; row < run.first_row + run.rows; ++row) {
        for (std::int64_t head = begin; head < end; ++head) {
          ScanHead(scratch, row, head, state + (head - begin) * head_floats);
        }
        const std::int64_t at = row * sizes_.channels() + begin * sizes_.head_dim;
        activate_(scratch.gate + at, scratch.x + at, scratch.x + at,
                  (end - begin) * sizes_.head_dim);
      }
    };
    internal::ForEachCarriedRun(batch, internal::PartsOf(sizes_.heads, heads_per_part_), workshop,
                                scan);
  }

  // x of a row's head <- y, and the head's state [head_dim, state_dim] is the one after the row.
  void ScanHead(const Scratch& scratch, std::int64_t row, std::int64_t head, float* state) const {
    const std::int64_t state_dim = sizes_.state_dim;
    const std::int64_t group = head / (sizes_.heads / sizes_.groups);
    const std::int64_t vectors_at = row * sizes_.vectors() + group * state_dim;
    const float raw = scratch.step[row * sizes_.heads + head] + step_offset_[head];
    const bool of_all = static_cast<std::int64_t>(decay_.size()) == sizes_.heads;
    scan_({.h = state,
           .x = scratch.x + (row * sizes_.heads + head) * sizes_.head_dim,
           .channels = sizes_.head_dim,
           .n = state_dim,
           .b = scratch.b + vectors_at,
           .c = scratch.c + vectors_at,
           .decay = decay_.data() + head * (of_all ? 1 : state_dim),
           .decay_of_all = of_all,
           .step = std::clamp(internal::Softplus(raw), step_min_, step_max_),
           .skip = skip_[head]});
  }

  const SsmSizes sizes_;
  const std::int64_t heads_per_part_;
  const float multiplier_;
  const float step_min_;
  const float step_max_;
  const ActivateFn activate_;
  const SelectiveScanFn scan_;
  const SsmMatrices matrices_;
  const internal::InputPreparation input_;
  const internal::InputPreparation convolved_input_;
  const internal::InputPreparation step_input_;
  const internal::InputPreparation o_input_;
  const RowNorm post_norm_;
  CausalConv conv_x_, conv_b_, conv_c_;
  const std::vector<float> step_offset_;  // [heads]
  std::vector<float> decay_;              // [heads], or [heads, state_dim]: below 0
  const std::vector<float> skip_;         // [heads]
};

Result<std::unique_ptr<BoundBlock>> Bind(const Attributes& attributes,
                                         const internal::BoundTensors& tensors,
                                         const BindContext& context) {
  ASHLAR_TRY(const Activation activation, FindActivation(attributes.Choice("activation")));
  SsmMatrices matrices;
  struct Named {
    const char* name;
    Projection* matrix;
  };
  for (const Named& each :
       {Named{"gate", &matrices.gate}, Named{"x", &matrices.x}, Named{"b", &matrices.b},
        Named{"c", &matrices.c}, Named{"step_down", &matrices.step_down},
        Named{"step", &matrices.step}, Named{"o", &matrices.o}}) {
    if (internal::FindTensor(tensors, each.name) != nullptr) {
      ASHLAR_TRY(*each.matrix,
                 Projection::Bind(tensors, each.name, internal::TensorName(each.name, "bias"),
                                  context.isa));
    }
  }
  return std::make_unique<SsmBlock>(attributes, tensors, std::move(matrices),
                                    FindActivate(activation, context.isa), context.isa);
}

}  // namespace

constinit const CpuKind kSsmOnCpu{.declaration = &kSsm, .bind = Bind};

}  // namespace ashlar
