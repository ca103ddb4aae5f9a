// Absorbed: with latent c[t] of position t, keys k[t] = K_h c[t] and values v[t] = V_h c[t] of
// head h,
//   q . k[t] = (K_h^T q) . c[t]        sum_t w[t] v[t] = V_h sum_t w[t] c[t]
// so that heads attend to the latents themselves, as query heads of one key-value head whose values
// are the first numbers of its keys; the others are the part of the key that is rotated, which all
// heads share. K_h^T is the head's matrix `q_latent`, V_h its `v`.
#include <algorithm>
#include <cmath>

#include "ashlar/base/check.h"
#include "ashlar/kernels/attention/attention.h"
#include "ashlar/kernels/form.h"
#include "ashlar/kinds/internal/projection.h"
#include "ashlar/kinds/internal/rope_attributes.h"
#include "ashlar/kinds/internal/segment_loops.h"
#include "ashlar/kinds/latent_attention/head_name.h"
#include "ashlar/kinds/latent_attention/latent_attention.h"

namespace ashlar {
namespace {

using internal::InputRows;
using internal::OutputUnits;
using internal::Projection;
using internal::RowNorm;

// Heads that one call of the kernel attends with: they share each load of a latent; few, so that a
// decoding row is shared out over threads.
constexpr std::int64_t kAttendHeads = 8;

struct Matrices {
  Projection q_down;  // without outputs: queries are made from the input
  Projection q, kv_down, o;
  std::vector<Projection> q_latent;  // of each head
  std::vector<Projection> v;
};

AttentionShape LatentShapeOf(const Attributes& attributes) {
  const std::int64_t rope = attributes.Integer("rope_dims");
  const std::int64_t latent = attributes.Integer("latent_dim");
  const auto query = static_cast<double>(attributes.Integer("plain_dim") + rope);
  const double scale = attributes.Real("scale");
  return {.heads = attributes.Integer("heads"),
          .kv_heads = 1,
          .key_dim = latent + rope,
          .value_dim = latent,
          .scale = static_cast<float>(scale == 0 ? 1 / std::sqrt(query) : scale),
          .soft_cap = 0,
          .window = 0,
          .latent = true};
}

RowNorm LatentNorm(const Attributes& attributes, std::string_view name,
                   const internal::BoundTensors& tensors, Isa isa) {
  return {{.type = internal::NormType::kRms, .eps = attributes.Real("latent_norm_eps")},
          name,
          tensors,
          isa};
}

class LatentAttentionBlock final : public BoundBlock {
 public:
  LatentAttentionBlock(const Attributes& attributes, const internal::BoundTensors& tensors,
                       Matrices matrices, const BindContext& context)
      : width_(attributes.Integer("width")),
        plain_dim_(attributes.Integer("plain_dim")),
        value_dim_(attributes.Integer("value_dim")),
        shape_(LatentShapeOf(attributes)),
        multiplier_(static_cast<float>(attributes.Real("multiplier"))),
        max_positions_(context.max_positions),
        matrices_(std::move(matrices)),
        input_(RowNorm(internal::SettingsOf(attributes, "norm"), "norm", tensors, context.isa),
               {&first_query_matrix(), &matrices_.kv_down}, context.isa),
        q_input_(
            has_query_latent() ? LatentNorm(attributes, "q_norm", tensors, context.isa) : RowNorm(),
            {&matrices_.q}, context.isa),
        plain_input_(RowNorm(), internal::AllWanted(matrices_.q_latent, &Projection::wanted),
                     context.isa),
        latent_input_(RowNorm(), internal::AllWanted(matrices_.v, &Projection::wanted),
                      context.isa),
        o_input_(RowNorm(), {&matrices_.o}, context.isa),
        kv_norm_(LatentNorm(attributes, "kv_norm", tensors, context.isa)),
        post_norm_(internal::SettingsOf(attributes, "post_norm"), "post_norm", tensors,
                   context.isa),
        rope_(attributes, tensors, context),
        kernel_(FindForm(AttentionForms(context.kv_format), context.isa)) {}

  void Forward(const RowBatch& batch, const float* x, float* y,
               const Workshop& workshop) const override {
    Arena& arena = *workshop.arena;
    const internal::ArenaScope scope(arena);
    const std::int64_t rows = batch.rows;
    const Scratch scratch = {.q = arena.Take<float>(rows * heads() * query_dim()),
                             .kv = arena.Take<float>(rows * shape_.key_dim),
                             .plain = arena.Take<float>(rows * heads() * plain_dim_),
                             .queries = arena.Take<float>(rows * heads() * shape_.key_dim),
                             .attended = arena.Take<float>(rows * heads() * shape_.value_dim),
                             .latents = arena.Take<float>(rows * heads() * shape_.value_dim),
                             .values = arena.Take<float>(rows * heads() * value_dim_)};
    ProjectDown(batch, x, scratch, workshop);
    RotateAndStore(batch, scratch, workshop);
    RunHeads(matrices_.q_latent,
             plain_input_.Prepare(scratch.plain, rows * heads(), plain_dim_, workshop),
             scratch.queries, shape_.key_dim, workshop);
    Attend(batch, scratch, workshop);
    RunHeads(matrices_.v,
             latent_input_.Prepare(scratch.latents, rows * heads(), shape_.value_dim, workshop),
             scratch.values, value_dim_, workshop);
    const InputRows values = o_input_.Prepare(scratch.values, rows, heads() * value_dim_, workshop);
    RunProjections(values, {{&matrices_.o, y}}, workshop);
    FinishRows(post_norm_, multiplier_, y, rows, width_, workshop);
  }

 private:
  // What flows between the steps. What heads read with matrices of their own has the heads
  // outermost, so that the rows of one follow each other.
  struct Scratch {
    float* q;         // [rows, heads, plain_dim + rope_dims]
    float* kv;        // [rows, latent_dim + rope_dims]
    float* plain;     // [heads, rows, plain_dim]
    float* queries;   // [rows, heads, latent_dim + rope_dims]
    float* attended;  // [rows, heads, latent_dim]
    float* latents;   // [heads, rows, latent_dim]: the same
    float* values;    // [rows, heads, value_dim]
  };

  std::int64_t heads() const { return shape_.heads; }
  std::int64_t rope_dims() const { return shape_.key_dim - shape_.value_dim; }
  std::int64_t query_dim() const { return plain_dim_ + rope_dims(); }
  bool has_query_latent() const { return matrices_.q_down.outputs() > 0; }
  const Projection& first_query_matrix() const {
    return has_query_latent() ? matrices_.q_down : matrices_.q;
  }

  // q and kv, before norms and rotation.
  void ProjectDown(const RowBatch& batch, const float* x, const Scratch& scratch,
                   const Workshop& workshop) const {
    const internal::ArenaScope scope(*workshop.arena);
    const InputRows input = input_.Prepare(x, batch.rows, width_, workshop);
    if (!has_query_latent()) {
      RunProjections(input, {{&matrices_.q, scratch.q}, {&matrices_.kv_down, scratch.kv}},
                     workshop);
      return;
    }
    const std::int64_t q_dim = matrices_.q_down.outputs();
    float* const q_latent = workshop.arena->Take<float>(batch.rows * q_dim);
    RunProjections(input, {{&matrices_.q_down, q_latent}, {&matrices_.kv_down, scratch.kv}},
                   workshop);
    RunProjections(q_input_.Prepare(q_latent, batch.rows, q_dim, workshop),
                   {{&matrices_.q, scratch.q}}, workshop);
  }

  // Rotates what is rotated, stores the latents, and shares each query out to where it is read.
  void RotateAndStore(const RowBatch& batch, const Scratch& scratch,
                      const Workshop& workshop) const {
    if (workshop.arena->counting()) {
      return;
    }
    for (const Segment& segment : batch.segments) {
      CHECK_LE(segment.first_position + segment.rows, max_positions_);
      rope_.Reach(segment.first_position + segment.rows);
    }
    const auto finish_row = [&](const Segment& segment, std::int64_t row, std::int64_t position,
                                KernelTimer& timer) {
      float* const q = scratch.q + row * heads() * query_dim();
      rope_.Turn(q + plain_dim_, heads(), query_dim(), position);
      timer.Lap(Kernel::kRope);
      for (std::int64_t head = 0; head < heads(); ++head) {
        const float* const from = q + head * query_dim();
        std::copy_n(from, plain_dim_, scratch.plain + (head * batch.rows + row) * plain_dim_);
        std::copy_n(from + plain_dim_, rope_dims(),
                    scratch.queries + (row * heads() + head) * shape_.key_dim + shape_.value_dim);
      }
      timer.Lap(Kernel::kActivation);
      if (segment.writes_state) {
        float* const kv = scratch.kv + row * shape_.key_dim;
        kv_norm_.Apply(kv, kv);
        timer.Lap(Kernel::kNorm);
        rope_.Turn(kv + shape_.value_dim, 1, rope_dims(), position);
        timer.Lap(Kernel::kRope);
        kernel_.store(shape_, kv, nullptr, static_cast<int>(position % kPageLength),
                      segment.pages[position / kPageLength]);
        timer.Lap(Kernel::kStore);
      }
    };
    internal::ForEachRow(batch, workshop, finish_row);
  }

  // y[row, head, :] = matrices[head] x[head, row, :]; `y_dim` floats from a head of y to the next.
  void RunHeads(const std::vector<Projection>& matrices, const InputRows& x, float* y,
                std::int64_t y_dim, const Workshop& workshop) const {
    if (workshop.arena->counting()) {
      return;
    }
    const std::int64_t rows = x.rows / heads();
    for (std::int64_t head = 0; head < heads(); ++head) {
      const Projection* const reader = &matrices[static_cast<std::size_t>(head)];
      ShowInput(x.Part(head * rows, rows), {&reader, 1}, workshop);
    }
    const std::int64_t units = OutputUnits(matrices.front().outputs());
    workshop.pool->ParallelFor(
        heads() * units, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
          KernelTimer timer(workshop.profile, thread);
          while (begin < end) {
            const std::int64_t head = begin / units;
            const std::int64_t unit = begin % units;
            const std::int64_t last = std::min(units, unit + end - begin);
            matrices[static_cast<std::size_t>(head)].Run(x.Part(head * rows, rows), unit, last,
                                                         y + head * y_dim, heads() * y_dim);
            begin += last - unit;
          }
          timer.Lap(Kernel::kLinear);
        });
  }

  void Attend(const RowBatch& batch, const Scratch& scratch, const Workshop& workshop) const {
    if (workshop.arena->counting()) {
      return;
    }
    const std::int64_t parts = (heads() + kAttendHeads - 1) / kAttendHeads;
    internal::ForEachAttendBlock(
        batch, parts, workshop,
        [&](const Segment& segment, std::int64_t first, std::int64_t rows, std::int64_t part) {
          const std::int64_t head = part * kAttendHeads;
          const std::int64_t row = segment.first_row + first;
          AttentionShape shape = shape_;
          shape.heads = std::min(kAttendHeads, heads() - head);
          float* const attended = scratch.attended + (row * heads() + head) * shape_.value_dim;
          kernel_.fn({.shape = shape,
                      .q = scratch.queries + (row * heads() + head) * shape_.key_dim,
                      .q_stride = heads() * shape_.key_dim,
                      .out = attended,
                      .out_stride = heads() * shape_.value_dim,
                      .pages = segment.pages,
                      .sinks = nullptr,
                      .slopes = nullptr,
                      .first_position = segment.first_position + first,
                      .rows = rows,
                      .kv_begin = 0,
                      .kv_end = 1});
          for (std::int64_t r = 0; r < rows; ++r) {
            for (std::int64_t h = 0; h < shape.heads; ++h) {
              std::copy_n(attended + (r * heads() + h) * shape_.value_dim, shape_.value_dim,
                          scratch.latents + ((head + h) * batch.rows + row + r) * shape_.value_dim);
            }
          }
        });
  }

  const std::int64_t width_;
  const std::int64_t plain_dim_;
  const std::int64_t value_dim_;
  const AttentionShape shape_;
  const float multiplier_;
  const std::int64_t max_positions_;
  const Matrices matrices_;
  const internal::InputPreparation input_;
  const internal::InputPreparation q_input_;
  const internal::InputPreparation plain_input_;
  const internal::InputPreparation latent_input_;
  const internal::InputPreparation o_input_;
  const RowNorm kv_norm_;
  const RowNorm post_norm_;
  const internal::Rope rope_;
  const AttentionForm kernel_;
};

Result<std::unique_ptr<BoundBlock>> Bind(const Attributes& attributes,
                                         const internal::BoundTensors& tensors,
                                         const BindContext& context) {
  const auto bind = [&](const std::string& name) {
    return Projection::Bind(tensors, name, internal::TensorName(name, "bias"), context.isa);
  };
  Matrices matrices;
  if (attributes.Integer("query_latent_dim") > 0) {
    ASHLAR_TRY(matrices.q_down, bind("q_down"));
  }
  ASHLAR_TRY(matrices.q, bind("q"));
  ASHLAR_TRY(matrices.kv_down, bind("kv_down"));
  ASHLAR_TRY(matrices.o, bind("o"));
  for (std::int64_t head = 0; head < attributes.Integer("heads"); ++head) {
    const std::string name = internal::HeadName(head);
    ASHLAR_TRY(Projection q_latent, bind(internal::TensorName(name, "q_latent")));
    ASHLAR_TRY(Projection v, bind(internal::TensorName(name, "v")));
    matrices.q_latent.push_back(std::move(q_latent));
    matrices.v.push_back(std::move(v));
  }
  return std::make_unique<LatentAttentionBlock>(attributes, tensors, std::move(matrices), context);
}

}  // namespace

constinit const CpuKind kLatentAttentionOnCpu{.declaration = &kLatentAttention, .bind = Bind};

}  // namespace ashlar
