#include "ashlar/kinds/internal/projection.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "ashlar/base/check.h"
#include "ashlar/kernels/form.h"

namespace ashlar::internal {
namespace {

// Rows that a thread takes at once when the work of one is small (a norm, a rounding): a single
// decoding row, or a few, never leave the calling thread.
constexpr std::int64_t kRowGrain = 4;

void AddBias(const float* bias, std::int64_t rows, std::int64_t begin, std::int64_t end, float* y,
             std::int64_t stride) {
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t n = begin; n < end; ++n) {
      y[m * stride + n] += bias[n];
    }
  }
}

QuantizedRows TakeQuantizedRows(std::int64_t rows, std::int64_t width, Arena& arena) {
  const QuantizedShape shape = ShapeOfQuantized(rows, width);
  return {.q = arena.Take<std::int8_t>(shape.q_count),
          .scale = arena.Take<float>(shape.scale_count),
          .sum = arena.Take<std::int32_t>(shape.scale_count),
          .stride_groups = shape.stride_groups,
          .stride_rows = shape.stride_rows};
}

SplitRows TakeSplitRows(const SplitShape& shape, Arena& arena) {
  return {.pairs = arena.Take<std::uint32_t>(shape.pair_count),
          .blocks = shape.blocks,
          .tile_rows = shape.tile_rows,
          .first = 0};
}

}  // namespace

InputRows InputRows::Part(std::int64_t first, std::int64_t count) const {
  return {.rows = count,
          .x = x == nullptr ? nullptr : x + first * width,
          .width = width,
          .quantized = quantized.q == nullptr ? quantized : FromRow(quantized, first),
          .split = FromRow(split, first)};
}

void Projection::Matrix::Run(const InputRows& x, std::int64_t begin, std::int64_t end, float* y,
                             std::int64_t y_stride) const {
  LinearArgs args = {.weights = tensor.data,
                     .stored_rows = tensor.stored_rows,
                     .stored_columns = tensor.stored_columns,
                     .inputs = tensor.columns,
                     .output_begin = begin,
                     .output_end = end,
                     .rows = x.rows,
                     .x = x.x,
                     .x_stride = x.width,
                     .x_quantized = x.quantized,
                     .x_split = x.split,
                     .y = y,
                     .y_stride = y_stride};
  if (tensor.codec->residual == nullptr) {
    args.band_stride = tensor.band_stride();
    linear.fn(args);
    return;
  }
  args.levels = tensor.levels.data();
  ForEachRange(tensor.row_levels, begin, end,
               [&](std::int64_t first, std::int64_t last, int levels) {
                 args.output_begin = first;
                 args.output_end = last;
                 args.level_count = levels;
                 linear.fn(args);
               });
}

void Projection::Matrix::Add(const InputRows& x, std::int64_t begin, std::int64_t end, float* y,
                             std::int64_t y_stride) const {
  // Some rows of a unit at a time, on the thread's stack.
  constexpr std::int64_t kRows = 64;
  float product[kRows * kOutputUnit];
  for (std::int64_t n = begin; n < end; n += kOutputUnit) {
    const std::int64_t outputs = std::min(kOutputUnit, end - n);
    for (std::int64_t row = 0; row < x.rows; row += kRows) {
      const std::int64_t rows = std::min(kRows, x.rows - row);
      // (A kernel counts outputs from the matrix's first.)
      Run(x.Part(row, rows), n, n + outputs, product - n, kOutputUnit);
      for (std::int64_t m = 0; m < rows; ++m) {
        for (std::int64_t i = 0; i < outputs; ++i) {
          y[(row + m) * y_stride + n + i] += product[m * kOutputUnit + i];
        }
      }
    }
  }
}

Result<Projection> Projection::Bind(const BoundTensors& tensors, std::string_view weight,
                                    std::string_view bias, Isa isa) {
  const BoundTensor& whole = TensorNamed(tensors, weight);
  Projection projection;
  projection.name_ = weight;
  for (const BoundTensor* tensor = &whole; tensor != nullptr; tensor = tensor->base) {
    CHECK_EQ(kOutputUnit % tensor->codec->row_unit, 0);
    const Result<Linear> linear = FindLinear(*tensor->codec, isa);
    if (!linear.ok()) {
      return linear.error().In(weight);
    }
    Matrix& matrix = projection.sum_.emplace_back(Matrix{*tensor, *linear});
    matrix.tensor.rows = whole.rows;
    matrix.tensor.columns = whole.columns;
  }
  std::ranges::reverse(projection.sum_);
  if (const BoundTensor* vector = FindTensor(tensors, bias)) {
    projection.bias_ = CopyVector(*vector);
  }
  return projection;
}

WantedForms Projection::wanted() const {
  WantedForms wanted;
  for (const Matrix& matrix : sum_) {
    wanted.quantized |= matrix.linear.activations == Activations::kQuantized;
    wanted.split |= matrix.linear.activations == Activations::kSplit;
  }
  return wanted;
}

void Projection::Run(const InputRows& x, std::int64_t unit_begin, std::int64_t unit_end, float* y,
                     std::int64_t y_stride) const {
  const std::int64_t begin = unit_begin * kOutputUnit;
  const std::int64_t end = std::min(unit_end * kOutputUnit, outputs());
  sum_.front().Run(x, begin, end, y, y_stride);
  for (const Matrix& matrix : std::span(sum_).subspan(1)) {
    matrix.Add(x, begin, end, y, y_stride);
  }
  if (!bias_.empty()) {
    AddBias(bias_.data(), x.rows, begin, end, y, y_stride);
  }
}

InputPreparation::InputPreparation(RowNorm norm, WantedForms wanted, Isa isa)
    : norm_(std::move(norm)),
      wanted_(wanted),
      quantize_rows_(FindForm(QuantizeRowsForms(), isa).fn),
      split_rows_(FindForm(SplitRowsForms(), isa).fn) {}

InputPreparation::InputPreparation(RowNorm norm, std::initializer_list<const Projection*> readers,
                                   Isa isa)
    : InputPreparation(std::move(norm), AllWanted(readers, &Projection::wanted), isa) {}

InputRows InputPreparation::Prepare(const float* x, std::int64_t rows, std::int64_t width,
                                    const Workshop& workshop) const {
  Arena& arena = *workshop.arena;
  float* const normed = norm_.none() ? nullptr : arena.Take<float>(rows * width);
  InputRows prepared = TakeForms(wanted_, rows, width, arena);
  prepared.x = norm_.none() ? x : normed;
  if (arena.counting()) {
    return prepared;
  }
  if (!norm_.none() || wanted_.quantized) {
    workshop.pool->ParallelFor(rows, kRowGrain,
                               [&](std::int64_t begin, std::int64_t end, int thread) {
                                 KernelTimer timer(workshop.profile, thread);
                                 for (std::int64_t m = begin; m < end; ++m) {
                                   if (!norm_.none()) {
                                     norm_.Apply(x + m * width, normed + m * width);
                                     timer.Lap(Kernel::kNorm);
                                   }
                                   if (wanted_.quantized) {
                                     quantize_rows_(prepared.x + m * width, width, 1, width,
                                                    FromRow(prepared.quantized, m));
                                     timer.Lap(Kernel::kQuantizeRows);
                                   }
                                 }
                               });
  }
  if (wanted_.split) {
    // (Rows are split in whole tiles.)
    workshop.pool->ParallelFor(
        ShapeOfSplit(rows, width).tiles, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
          KernelTimer timer(workshop.profile, thread);
          split_rows_(prepared.x, width, rows, width, begin, end, prepared.split);
          timer.Lap(Kernel::kSplitRows);
        });
  }
  return prepared;
}

InputRows TakeForms(WantedForms forms, std::int64_t rows, std::int64_t width, Arena& arena) {
  InputRows taken{.rows = rows, .width = width};
  if (forms.quantized) {
    taken.quantized = TakeQuantizedRows(rows, width, arena);
  }
  if (forms.split) {
    taken.split = TakeSplitRows(ShapeOfSplit(rows, width), arena);
  }
  return taken;
}

bool Projection::reads_f32() const {
  return std::ranges::any_of(
      sum_, [](const Matrix& matrix) { return matrix.linear.activations == Activations::kF32; });
}

void ShowInput(const InputRows& x, std::span<const Projection* const> readers,
               const Workshop& workshop) {
  if (workshop.inputs == nullptr || workshop.arena->counting()) {
    return;
  }
  std::vector<std::string_view> names;
  for (const Projection* reader : readers) {
    if (reader->outputs() > 0) {
      names.push_back(reader->name());
    }
  }
  if (!names.empty() && x.rows > 0) {
    workshop.inputs->OnInput(names, x.x, x.rows, x.width);
  }
}

void RunProjections(const InputRows& x, std::initializer_list<ProjectionRun> runs,
                    const Workshop& workshop) {
  if (workshop.arena->counting()) {
    return;
  }
  if (workshop.inputs != nullptr) {
    std::vector<const Projection*> readers;
    std::ranges::transform(runs, std::back_inserter(readers), &ProjectionRun::projection);
    ShowInput(x, readers, workshop);
  }
  std::int64_t units = 0;
  for (const ProjectionRun& run : runs) {
    units += OutputUnits(run.projection->outputs());
  }
  workshop.pool->ParallelFor(
      units, 1,
      [&](std::int64_t begin, std::int64_t end, int thread) {
        KernelTimer timer(workshop.profile, thread);
        // [begin, end) in units of all the runs, one after the other.
        for (const ProjectionRun& run : runs) {
          const std::int64_t own = OutputUnits(run.projection->outputs());
          if (begin < own && end > 0) {
            run.projection->Run(x, std::max<std::int64_t>(begin, 0), std::min(end, own), run.y);
          }
          begin -= own;
          end -= own;
        }
        timer.Lap(Kernel::kLinear);
      },
      ThreadPool::Items::kAlike);
}

void FinishRows(const RowNorm& norm, float multiplier, float* y, std::int64_t rows,
                std::int64_t width, const Workshop& workshop) {
  if (workshop.arena->counting() || (norm.none() && multiplier == 1)) {
    return;
  }
  workshop.pool->ParallelFor(rows, kRowGrain,
                             [&](std::int64_t begin, std::int64_t end, int thread) {
                               KernelTimer timer(workshop.profile, thread);
                               for (std::int64_t m = begin; m < end; ++m) {
                                 float* const row = y + m * width;
                                 if (!norm.none()) {
                                   norm.Apply(row, row);
                                   timer.Lap(Kernel::kNorm);
                                 }
                                 for (std::int64_t i = 0; i < width; ++i) {
                                   row[i] *= multiplier;
                                 }
                                 timer.Lap(Kernel::kActivation);
                               }
                             });
}

}  // namespace ashlar::internal
