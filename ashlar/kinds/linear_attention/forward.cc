// With q, k (scaled to length 1, and q by 1 / sqrt(key_dim)) and v of a row's head, and S its state
// [key_dim, value_dim]:
//   S <- exp(-exp(decay_log) softplus(step + step_offset)) S
//   S <- S + k (sigmoid(write) (v - k^T S))^T        y = q^T S
// row by row, each head by itself.
#include <algorithm>
#include <cmath>

#include "ashlar/kernels/delta_rule/delta_rule.h"
#include "ashlar/kernels/form.h"
#include "ashlar/kinds/internal/feed_forward.h"
#include "ashlar/kinds/internal/segment_loops.h"
#include "ashlar/kinds/internal/softplus.h"
#include "ashlar/kinds/linear_attention/linear_attention.h"
#include "ashlar/kinds/linear_attention/linear_attention_settings.h"

namespace ashlar {
namespace {

using internal::CarriedRun;
using internal::CausalConv;
using internal::InputRows;
using internal::LinearAttentionSizes;
using internal::Projection;
using internal::RowNorm;

struct DeltaMatrices {
  Projection q, k, v, gate, write, step, o;
};

// x [n] <- factor x / sqrt(sum of squares + eps).
void ScaleToLength(float factor, float eps, float* x, std::int64_t n) {
  float squares = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    squares += x[i] * x[i];
  }
  const float scale = factor / std::sqrt(squares + eps);
  for (std::int64_t i = 0; i < n; ++i) {
    x[i] *= scale;
  }
}

class LinearAttentionBlock final : public BoundBlock {
 public:
  LinearAttentionBlock(const Attributes& attributes, const internal::BoundTensors& tensors,
                       DeltaMatrices matrices, ActivateFn activate, Isa isa)
      : sizes_(attributes),
        multiplier_(static_cast<float>(attributes.Real("multiplier"))),
        qk_eps_(static_cast<float>(attributes.Real("qk_eps"))),
        silu_(FindActivate(Activation::kSilu, isa)),
        delta_rule_(FindForm(DeltaRuleForms(), isa).fn),
        matrices_(std::move(matrices)),
        input_(RowNorm(internal::SettingsOf(attributes, "norm"), "norm", tensors, isa),
               {&matrices_.q, &matrices_.k, &matrices_.v, &matrices_.gate, &matrices_.write,
                &matrices_.step},
               isa),
        o_input_(RowNorm(), {&matrices_.o}, isa),
        value_norm_(internal::ValueNormOf(attributes), "value_norm", tensors, isa),
        post_norm_(internal::SettingsOf(attributes, "post_norm"), "post_norm", tensors, isa),
        step_offset_(internal::CopyVector(internal::TensorNamed(tensors, "step_offset"))),
        decay_(internal::CopyVector(internal::TensorNamed(tensors, "decay_log"))) {
    for (float& decay : decay_) {
      decay = -std::exp(decay);
    }
    std::int64_t offset = sizes_.heads * sizes_.head_floats();
    const auto conv = [&](const char* name, std::int64_t channels) {
      CausalConv made(attributes, name, tensors, activate, offset);
      offset += CausalConv::StateFloats(attributes, channels);
      return made;
    };
    conv_q_ = conv("conv.q", sizes_.keys());
    conv_k_ = conv("conv.k", sizes_.keys());
    conv_v_ = conv("conv.v", sizes_.values());
  }

  void Forward(const RowBatch& batch, const float* x, float* y,
               const Workshop& workshop) const override {
    Arena& arena = *workshop.arena;
    const internal::ArenaScope scope(arena);
    const std::int64_t rows = batch.rows;
    const Scratch scratch = {.q = arena.Take<float>(rows * sizes_.keys()),
                             .k = arena.Take<float>(rows * sizes_.keys()),
                             .v = arena.Take<float>(rows * sizes_.values()),
                             .gate = arena.Take<float>(rows * sizes_.values()),
                             .write = arena.Take<float>(rows * sizes_.heads),
                             .step = arena.Take<float>(rows * sizes_.heads)};
    RunProjections(input_.Prepare(x, rows, sizes_.width, workshop),
                   {{&matrices_.q, scratch.q},
                    {&matrices_.k, scratch.k},
                    {&matrices_.v, scratch.v},
                    {&matrices_.gate, scratch.gate},
                    {&matrices_.write, scratch.write},
                    {&matrices_.step, scratch.step}},
                   workshop);
    conv_q_.Run(batch, scratch.q, workshop);
    conv_k_.Run(batch, scratch.k, workshop);
    conv_v_.Run(batch, scratch.v, workshop);
    ScaleQueriesAndKeys(batch, scratch, workshop);
    Scan(batch, scratch, workshop);
    RunProjections(o_input_.Prepare(scratch.v, rows, sizes_.values(), workshop),
                   {{&matrices_.o, y}}, workshop);
    FinishRows(post_norm_, multiplier_, y, rows, sizes_.width, workshop);
  }

 private:
  struct Scratch {
    float* q;      // [rows, key_heads, key_dim]
    float* k;      // [rows, key_heads, key_dim]
    float* v;      // [rows, heads, value_dim]; after the scan, the gated output
    float* gate;   // [rows, heads, value_dim]
    float* write;  // [rows, heads]
    float* step;   // [rows, heads]
  };

  void ScaleQueriesAndKeys(const RowBatch& batch, const Scratch& scratch,
                           const Workshop& workshop) const {
    if (workshop.arena->counting()) {
      return;
    }
    const float query_factor = 1 / std::sqrt(static_cast<float>(sizes_.key_dim));
    internal::ForEachRow(batch, workshop,
                         [&](const Segment&, std::int64_t row, std::int64_t, KernelTimer& timer) {
                           for (std::int64_t head = 0; head < sizes_.key_heads; ++head) {
                             const std::int64_t at = row * sizes_.keys() + head * sizes_.key_dim;
                             ScaleToLength(query_factor, qk_eps_, scratch.q + at, sizes_.key_dim);
                             ScaleToLength(1, qk_eps_, scratch.k + at, sizes_.key_dim);
                           }
                           timer.Lap(Kernel::kNorm);
                         });
  }

  void Scan(const RowBatch& batch, const Scratch& scratch, const Workshop& workshop) const {
    if (workshop.arena->counting()) {
      return;
    }
    internal::ForEachCarriedRun(
        batch, sizes_.heads, workshop, [&](const CarriedRun& run, std::int64_t head) {
          float* const state = run.Continue(head * sizes_.head_floats(), sizes_.head_floats());
          for (std::int64_t row = run.first_row; row < run.first_row + run.rows; ++row) {
            ScanRow(scratch, row, head, state);
            float* const out = scratch.v + row * sizes_.values() + head * sizes_.value_dim;
            if (!value_norm_.none()) {
              value_norm_.Apply(out, out);
            }
            silu_(scratch.gate + row * sizes_.values() + head * sizes_.value_dim, out, out,
                  sizes_.value_dim);
          }
        });
  }

  // v of a row's head <- y, and `state` [key_dim, value_dim] is the one after the row.
  void ScanRow(const Scratch& scratch, std::int64_t row, std::int64_t head, float* state) const {
    const std::int64_t key_at =
        row * sizes_.keys() + head / (sizes_.heads / sizes_.key_heads) * sizes_.key_dim;
    const std::int64_t at = row * sizes_.heads + head;
    delta_rule_(
        {.state = state,
         .q = scratch.q + key_at,
         .k = scratch.k + key_at,
         .v = scratch.v + row * sizes_.values() + head * sizes_.value_dim,
         .key_dim = sizes_.key_dim,
         .value_dim = sizes_.value_dim,
         .keep = std::exp(decay_[head] * internal::Softplus(scratch.step[at] + step_offset_[head])),
         .write = 1 / (1 + std::exp(-scratch.write[at]))});
  }

  const LinearAttentionSizes sizes_;
  const float multiplier_;
  const float qk_eps_;
  const ActivateFn silu_;
  const DeltaRuleFn delta_rule_;
  const DeltaMatrices matrices_;
  const internal::InputPreparation input_;
  const internal::InputPreparation o_input_;
  const RowNorm value_norm_;
  const RowNorm post_norm_;
  CausalConv conv_q_, conv_k_, conv_v_;
  const std::vector<float> step_offset_;  // [heads]
  std::vector<float> decay_;              // [heads]: below 0
};

Result<std::unique_ptr<BoundBlock>> Bind(const Attributes& attributes,
                                         const internal::BoundTensors& tensors,
                                         const BindContext& context) {
  ASHLAR_TRY(const Activation activation, FindActivation(attributes.Choice("activation")));
  DeltaMatrices matrices;
  struct Named {
    const char* name;
    Projection* matrix;
  };
  for (const Named& each :
       {Named{"q", &matrices.q}, Named{"k", &matrices.k}, Named{"v", &matrices.v},
        Named{"gate", &matrices.gate}, Named{"write", &matrices.write},
        Named{"step", &matrices.step}, Named{"o", &matrices.o}}) {
    ASHLAR_TRY(
        *each.matrix,
        Projection::Bind(tensors, each.name, internal::TensorName(each.name, "bias"), context.isa));
  }
  return std::make_unique<LinearAttentionBlock>(attributes, tensors, std::move(matrices),
                                                FindActivate(activation, context.isa), context.isa);
}

}  // namespace

constinit const CpuKind kLinearAttentionOnCpu{.declaration = &kLinearAttention, .bind = Bind};

}  // namespace ashlar
