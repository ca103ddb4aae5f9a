#include <algorithm>

#include "ashlar/base/check.h"
#include "ashlar/kernels/activation/activation.h"
#include "ashlar/kernels/attention/attention.h"
#include "ashlar/kernels/form.h"
#include "ashlar/kinds/attention/attention.h"
#include "ashlar/kinds/attention/attention_settings.h"
#include "ashlar/kinds/internal/projection.h"
#include "ashlar/kinds/internal/rope_attributes.h"
#include "ashlar/kinds/internal/segment_loops.h"

namespace ashlar {
namespace {

using internal::InputRows;
using internal::Projection;
using internal::RowNorm;

struct Projections {
  Projection q, k, v, o;
  Projection gate;  // without outputs: none
};

AttentionShape ShapeOf(const Attributes& attributes) {
  const std::int64_t key_dim = attributes.Integer("key_dim");
  return {.heads = attributes.Integer("heads"),
          .kv_heads = attributes.Integer("kv_heads"),
          .key_dim = key_dim,
          .value_dim = attributes.Integer("value_dim"),
          .scale = static_cast<float>(internal::ScaleOf(attributes)),
          .soft_cap = static_cast<float>(attributes.Real("soft_cap")),
          .window = attributes.Integer("window")};
}

// The norms of the heads of one row: the i-th part of the row is normed by norms[i % size], each
// as wide as its norm.
std::vector<RowNorm> HeadNorms(const Attributes& attributes, std::string_view name,
                               const internal::BoundTensors& tensors, Isa isa) {
  const internal::NormSettings settings = internal::SettingsOfQkNorm(attributes);
  if (settings.type == internal::NormType::kNone) {
    return {};
  }
  const RowNorm whole(settings, name, tensors, isa);
  if (attributes.Choice("qk_norm") != "layer_of_each_head") {
    return {whole};
  }
  std::vector<RowNorm> norms;
  const std::int64_t key_dim = attributes.Integer("key_dim");
  for (std::int64_t first = 0; first < whole.width(); first += key_dim) {
    norms.push_back(whole.Part(first, key_dim));
  }
  return norms;
}

class AttentionBlock final : public BoundBlock {
 public:
  AttentionBlock(const Attributes& attributes, const internal::BoundTensors& tensors,
                 Projections projections, const BindContext& context)
      : width_(attributes.Integer("width")),
        shape_(ShapeOf(attributes)),
        multiplier_(static_cast<float>(attributes.Real("multiplier"))),
        max_positions_(context.max_positions),
        projections_(std::move(projections)),
        input_(RowNorm(internal::SettingsOf(attributes, "norm"), "norm", tensors, context.isa),
               {&projections_.q, &projections_.k, &projections_.v, &projections_.gate},
               context.isa),
        o_input_(RowNorm(), {&projections_.o}, context.isa),
        q_norms_(HeadNorms(attributes, "q_norm", tensors, context.isa)),
        k_norms_(HeadNorms(attributes, "k_norm", tensors, context.isa)),
        norm_after_rope_(internal::IsSet(attributes, "qk_norm_after_rope")),
        post_norm_(internal::SettingsOf(attributes, "post_norm"), "post_norm", tensors,
                   context.isa),
        rope_(attributes, tensors, context),
        kernel_(FindForm(AttentionForms(context.kv_format), context.isa)),
        sigmoid_(FindActivate(Activation::kSigmoid, context.isa)),
        slopes_(internal::AlibiSlopes(attributes)) {
    if (const BoundTensor* sinks = internal::FindTensor(tensors, "sinks")) {
      sinks_ = internal::CopyVector(*sinks);
    }
  }

  void Forward(const RowBatch& batch, const float* x, float* y,
               const Workshop& workshop) const override {
    const internal::ArenaScope scope(*workshop.arena);
    const Heads heads = TakeHeads(batch.rows, *workshop.arena);
    Project(batch, x, heads, workshop);
    RotateAndStore(batch, heads, workshop);
    Attend(batch, heads, workshop);
    Gate(batch, heads, workshop);
    const InputRows attended =
        o_input_.Prepare(heads.attended, batch.rows, attended_floats(), workshop);
    RunProjections(attended, {{&projections_.o, y}}, workshop);
    FinishRows(post_norm_, multiplier_, y, batch.rows, width_, workshop);
  }

 private:
  // What flows between the steps, in scratch.
  struct Heads {
    float* q;         // [rows, heads, key_dim]
    float* k;         // [rows, kv_heads, key_dim]
    float* v;         // [rows, kv_heads, value_dim]
    float* attended;  // [rows, heads, value_dim]
    float* gate;      // the same, or null: none
  };

  Heads TakeHeads(std::int64_t rows, Arena& arena) const {
    return {.q = arena.Take<float>(rows * q_floats()),
            .k = arena.Take<float>(rows * k_floats()),
            .v = arena.Take<float>(rows * v_floats()),
            .attended = arena.Take<float>(rows * attended_floats()),
            .gate = gated() ? arena.Take<float>(rows * attended_floats()) : nullptr};
  }

  // The prepared rows make room for those of what was attended.
  void Project(const RowBatch& batch, const float* x, const Heads& heads,
               const Workshop& workshop) const {
    const internal::ArenaScope scope(*workshop.arena);
    const InputRows input = input_.Prepare(x, batch.rows, width_, workshop);
    if (std::ranges::any_of(batch.segments, &Segment::writes_state)) {
      RunProjections(input,
                     {{&projections_.q, heads.q},
                      {&projections_.k, heads.k},
                      {&projections_.v, heads.v},
                      {&projections_.gate, heads.gate}},
                     workshop);
    } else {
      RunProjections(input, {{&projections_.q, heads.q}, {&projections_.gate, heads.gate}},
                     workshop);
    }
  }

  bool gated() const { return projections_.gate.outputs() > 0; }
  std::int64_t q_floats() const { return shape_.heads * shape_.key_dim; }
  std::int64_t k_floats() const { return shape_.kv_heads * shape_.key_dim; }
  std::int64_t v_floats() const { return shape_.kv_heads * shape_.value_dim; }
  std::int64_t attended_floats() const { return shape_.heads * shape_.value_dim; }

  // x [heads, key_dim] of one row <- norm(x).
  void Norm(const std::vector<RowNorm>& norms, std::int64_t heads, float* x,
            KernelTimer& timer) const {
    if (norms.empty()) {
      return;
    }
    std::size_t i = 0;
    for (float* const end = x + heads * shape_.key_dim; x != end; ++i) {
      const RowNorm& norm = norms[i % norms.size()];
      norm.Apply(x, x);
      x += norm.width();
    }
    timer.Lap(Kernel::kNorm);
  }

  // x [heads, key_dim] of one row <- rope(norm(x)), or norm(rope(x)).
  void NormAndRotate(const std::vector<RowNorm>& norms, std::int64_t heads, std::int64_t position,
                     float* x, KernelTimer& timer) const {
    if (!norm_after_rope_) {
      Norm(norms, heads, x, timer);
    }
    if (!rope_.none()) {
      rope_.Turn(x, heads, shape_.key_dim, position);
      timer.Lap(Kernel::kRope);
    }
    if (norm_after_rope_) {
      Norm(norms, heads, x, timer);
    }
  }

  // Finishes queries and keys, and puts keys and values into the pages of the nodes that own them.
  void RotateAndStore(const RowBatch& batch, const Heads& heads, const Workshop& workshop) const {
    if (workshop.arena->counting()) {
      return;
    }
    const auto finish_row = [&](const Segment& segment, std::int64_t row, std::int64_t position,
                                KernelTimer& timer) {
      NormAndRotate(q_norms_, shape_.heads, position, heads.q + row * q_floats(), timer);
      if (segment.writes_state) {
        float* const k = heads.k + row * k_floats();
        NormAndRotate(k_norms_, shape_.kv_heads, position, k, timer);
        kernel_.store(shape_, k, heads.v + row * v_floats(),
                      static_cast<int>(position % kPageLength),
                      segment.pages[position / kPageLength]);
        timer.Lap(Kernel::kStore);
      }
    };
    for (const Segment& segment : batch.segments) {
      CHECK_LE(segment.first_position + segment.rows, max_positions_);
      rope_.Reach(segment.first_position + segment.rows);
    }
    internal::ForEachRow(batch, workshop, finish_row);
  }

  void Attend(const RowBatch& batch, const Heads& heads, const Workshop& workshop) const {
    if (workshop.arena->counting()) {
      return;
    }
    internal::ForEachAttendBlock(
        batch, shape_.kv_heads, workshop,
        [&](const Segment& segment, std::int64_t first, std::int64_t rows, std::int64_t kv_head) {
          const std::int64_t row = segment.first_row + first;
          kernel_.fn({.shape = shape_,
                      .q = heads.q + row * q_floats(),
                      .q_stride = q_floats(),
                      .out = heads.attended + row * attended_floats(),
                      .out_stride = attended_floats(),
                      .pages = segment.pages,
                      .sinks = sinks_.empty() ? nullptr : sinks_.data(),
                      .slopes = slopes_.empty() ? nullptr : slopes_.data(),
                      .first_position = segment.first_position + first,
                      .rows = rows,
                      .kv_begin = kv_head,
                      .kv_end = kv_head + 1});
        });
  }

  void Gate(const RowBatch& batch, const Heads& heads, const Workshop& workshop) const {
    if (!gated() || workshop.arena->counting()) {
      return;
    }
    internal::ForEachRow(
        batch, workshop, [&](const Segment&, std::int64_t row, std::int64_t, KernelTimer& timer) {
          float* const attended = heads.attended + row * attended_floats();
          sigmoid_(heads.gate + row * attended_floats(), attended, attended, attended_floats());
          timer.Lap(Kernel::kActivation);
        });
  }

  const std::int64_t width_;
  const AttentionShape shape_;
  const float multiplier_;
  const std::int64_t max_positions_;
  const Projections projections_;
  const internal::InputPreparation input_;
  const internal::InputPreparation o_input_;
  const std::vector<RowNorm> q_norms_;  // empty: none
  const std::vector<RowNorm> k_norms_;
  const bool norm_after_rope_;
  const RowNorm post_norm_;
  const internal::Rope rope_;
  const AttentionForm kernel_;
  const ActivateFn sigmoid_;
  const std::vector<float> slopes_;  // [heads], or empty: none
  std::vector<float> sinks_;         // [heads], or empty: none
};

Result<std::unique_ptr<BoundBlock>> Bind(const Attributes& attributes,
                                         const internal::BoundTensors& tensors,
                                         const BindContext& context) {
  Projections projections;
  ASHLAR_TRY(projections.q, Projection::Bind(tensors, "q", "q.bias", context.isa));
  ASHLAR_TRY(projections.k, Projection::Bind(tensors, "k", "k.bias", context.isa));
  ASHLAR_TRY(projections.v, Projection::Bind(tensors, "v", "v.bias", context.isa));
  ASHLAR_TRY(projections.o, Projection::Bind(tensors, "o", "o.bias", context.isa));
  if (internal::IsSet(attributes, "o_gate")) {
    ASHLAR_TRY(projections.gate, Projection::Bind(tensors, "gate", "gate.bias", context.isa));
  }
  return std::make_unique<AttentionBlock>(attributes, tensors, std::move(projections), context);
}

}  // namespace

constinit const CpuKind kAttentionOnCpu{.declaration = &kAttention, .bind = Bind};

}  // namespace ashlar
