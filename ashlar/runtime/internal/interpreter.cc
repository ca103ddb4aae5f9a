#include "ashlar/runtime/internal/interpreter.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "ashlar/base/check.h"
#include "ashlar/kernels/attention/attention.h"
#include "ashlar/kernels/form.h"

namespace ashlar::internal {
namespace {

// Rows that one thread takes at a time where rows are only copied and added.
constexpr std::int64_t kRowGrain = 16;

// What profiles call the sums between blocks.
constexpr std::string_view kCombine = "combine";

// out = sum over terms of coefficient * value, in their order. Requires: at least one term.
void Combine(std::span<const WeightedTerm> terms, const LoadedNetwork& network,
             const float* registers, std::int64_t width, float* out) {
  for (std::size_t t = 0; t < terms.size(); ++t) {
    const float* const value = registers + network.nodes[terms[t].node].value_offset;
    const float coefficient = terms[t].coefficient;
    if (t == 0 && coefficient == 1) {
      std::memcpy(out, value, width * sizeof(float));
    } else if (t == 0) {
      for (std::int64_t i = 0; i < width; ++i) {
        out[i] = coefficient * value[i];
      }
    } else {
      for (std::int64_t i = 0; i < width; ++i) {
        out[i] += coefficient * value[i];
      }
    }
  }
}

// out = (sum over terms of coefficient * value, in their order) + f. f and out may be the same.
void CombineAndAdd(std::span<const WeightedTerm> terms, const LoadedNetwork& network,
                   const float* registers, std::int64_t width, AddScaledFn add_scaled,
                   const float* f, float* out) {
  const auto value = [&](const WeightedTerm& term) {
    return registers + network.nodes[term.node].value_offset;
  };
  if (terms.empty()) {
    if (out != f) {
      std::memcpy(out, f, width * sizeof(float));
    }
  } else if (terms.size() == 1) {
    add_scaled(terms[0].coefficient, value(terms[0]), f, out, width);
  } else {
    for (std::int64_t i = 0; i < width; ++i) {
      float sum = terms[0].coefficient * value(terms[0])[i];
      for (const WeightedTerm& term : terms.subspan(1)) {
        sum += term.coefficient * value(term)[i];
      }
      out[i] = sum + f[i];
    }
  }
}

bool WantsHiddenStates(const StepRows& rows) {
  return rows.sequence->request.hidden_states;
}

ValuePages* KeptValuesOf(Sequence& sequence, int node) {
  const auto found = std::ranges::find(sequence.values, node, &ValuePages::node);
  return found == sequence.values.end() ? nullptr : &*found;
}

// Where `kept` has the value [width] of a position: pages of values are f32.
std::byte* KeptValueAt(const ValuePages& kept, std::int64_t position, std::int64_t width) {
  return kept.table.data()[position / kPageLength] +
         position % kPageLength * width * static_cast<std::int64_t>(sizeof(float));
}

}  // namespace

// Tells the listener, run by run, what a mixture tells of a batch.
class Interpreter::ExpertsOfRuns final : public ExpertObserver {
 public:
  ExpertsOfRuns(std::span<const RunOfRows> runs, const ExpertListener& listener)
      : runs_(runs), listener_(listener) {}

  void OnChosen(std::int64_t per_row, std::span<const std::int32_t> experts) override {
    for (const RunOfRows& run : runs_) {
      listener_({.request = run.step->sequence->id,
                 .node = run.node_index,
                 .first_position = run.first_position,
                 .per_row = per_row,
                 .experts = experts.subspan(static_cast<std::size_t>(run.batch_row * per_row),
                                            static_cast<std::size_t>(run.rows * per_row))});
    }
  }

 private:
  const std::span<const RunOfRows> runs_;
  const ExpertListener& listener_;
};

Interpreter::Interpreter(ThreadPool& pool, Isa isa, std::int64_t max_rows,
                         std::int64_t max_logit_rows)
    : pool_(pool),
      add_scaled_(FindForm(AddScaledForms(), isa).fn),
      max_rows_(max_rows),
      max_logit_rows_(std::min(max_rows, max_logit_rows)) {}

Interpreter::Sizes Interpreter::Measure(std::span<const LoadedNetwork* const> networks) const {
  Sizes sizes;
  std::set<std::pair<const BoundWeights*, bool>> measured;
  for (const LoadedNetwork* network : networks) {
    sizes.register_floats = std::max(sizes.register_floats, network->register_floats);
    sizes.logits = std::max({sizes.logits, network->logits, network->hidden});
    for (int i = 0; i <= network->output(); ++i) {
      const LoadedNode& node = network->nodes[i];
      const bool output = i == network->output();
      sizes.width_in = std::max(sizes.width_in, node.width_in);
      if (!output) {
        sizes.width_out = std::max(sizes.width_out, node.width_out);
      }
      if (measured.insert({node.bound.get(), output}).second) {
        Arena counting;
        const RowBatch batch{.rows = output ? max_logit_rows_ : max_rows_};
        node.bound->block->Forward(batch, nullptr, nullptr, {&pool_, &counting});
        sizes.scratch_bytes = std::max(sizes.scratch_bytes, counting.peak());
      }
    }
  }
  return sizes;
}

Interpreter::Buffers Interpreter::Layout(const Sizes& sizes, Arena& arena) const {
  return {.registers = arena.Take<float>(max_rows_ * sizes.register_floats),
          .x = arena.Take<float>(max_rows_ * sizes.width_in),
          .f = arena.Take<float>(max_rows_ * sizes.width_out),
          .logits = arena.Take<float>(max_logit_rows_ * sizes.logits),
          .tokens = arena.Take<std::int32_t>(max_rows_),
          .run_of = arena.Take<std::int32_t>(max_rows_)};
}

std::uint64_t Interpreter::WorkspaceBytes(std::span<const LoadedNetwork* const> networks) const {
  const Sizes sizes = Measure(networks);
  Arena counting;
  Layout(sizes, counting);
  return counting.used() + sizes.scratch_bytes;
}

void Interpreter::Prepare(std::span<const LoadedNetwork* const> networks) {
  const std::uint64_t bytes = WorkspaceBytes(networks);
  if (memory_ == nullptr || bytes > memory_bytes_) {  // kept when networks go: others may run
    memory_.reset();
    memory_bytes_ = std::max<std::uint64_t>(bytes, 1);
    memory_ = std::make_unique<ReservedBytes>(memory_bytes_);
    touched_bytes_ = 0;
  }
  sizes_ = Measure(networks);
  arena_ = Arena({memory_->data(), bytes});
  buffers_ = Layout(sizes_, arena_);
}

void Interpreter::Touch(std::uint64_t bytes) {
  const std::uint64_t now = std::min(bytes, memory_bytes_ - touched_bytes_);
  if (now > 0) {  // (Between steps nothing in it is of use.)
    std::memset(memory_->data() + touched_bytes_, 0, now);
    touched_bytes_ += now;
  }
}

void Interpreter::Rest() {
  if (memory_ != nullptr) {
    memory_->Release(0, memory_bytes_);
    touched_bytes_ = 0;
  }
}

float* Interpreter::RegistersOf(const RunOfRows& run, std::int64_t position) const {
  const std::int64_t row = run.step->first_row + position - run.step->sequence->position;
  return buffers_.registers + row * sizes_.register_floats;
}

void Interpreter::CollectRuns(std::span<StepRows> step,
                              std::span<const LoadedNetwork* const> networks,
                              const MergeGroup& group, bool output) {
  runs_.clear();
  std::int64_t batch_row = 0;
  const auto collect = [&](const MergeMember& member, bool hidden) {
    for (StepRows& rows : step) {
      if (rows.network != member.network || (output && WantsHiddenStates(rows)) != hidden) {
        continue;
      }
      const Sequence& sequence = *rows.sequence;
      const std::int64_t begin = std::max(sequence.position, sequence.starts[member.node].compute);
      const std::int64_t end = sequence.position + rows.rows;
      RunOfRows run{.step = &rows,
                    .node = &networks[member.network]->nodes[member.node],
                    .node_index = static_cast<int>(member.node),
                    .first_position = begin,
                    .rows = std::max<std::int64_t>(end - begin, 0),
                    .batch_row = batch_row};
      LoadKeptValues(run);
      if (run.rows > 0) {
        std::fill_n(buffers_.run_of + batch_row, run.rows, static_cast<int>(runs_.size()));
        batch_row += run.rows;
        runs_.push_back(run);
      }
    }
  };
  for (const bool hidden : {false, true}) {
    for (const MergeMember& member : group.members) {
      if (output || !hidden) {
        collect(member, hidden);
      }
    }
  }
}

void Interpreter::CollectSegments(std::int64_t rows) {
  segments_.clear();
  for (const RunOfRows& run : runs_) {
    if (run.batch_row >= rows) {
      break;
    }
    if (run.node->slot < 0) {
      segments_.push_back({run.batch_row, run.rows, run.first_position, nullptr, false});
      continue;
    }
    const Sequence& sequence = *run.step->sequence;
    const SlotPages& slot = sequence.slots[run.node->slot];
    const std::int64_t page_positions = sequence.network->slots[run.node->slot].page.positions;
    // Positions whose state was cached are read as they are: their pages may be others' too.
    const std::int64_t kept =
        run.node->writes_state
            ? std::clamp<std::int64_t>(slot.cached - run.first_position, 0, run.rows)
            : run.rows;
    if (kept > 0) {
      segments_.push_back(
          {run.batch_row, kept, run.first_position, slot.table.data(), false, page_positions});
    }
    if (kept < run.rows) {
      segments_.push_back({run.batch_row + kept, run.rows - kept, run.first_position + kept,
                           slot.table.data(), true, page_positions});
    }
  }
}

void Interpreter::GatherInputs(std::int64_t rows, Profile* profile) {
  const PartTimer timer(profile, kCombine);
  pool_.ParallelFor(rows, kRowGrain, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) {
      const RunOfRows& run = runs_[buffers_.run_of[row]];
      const std::int64_t position = run.first_position + row - run.batch_row;
      if (run.node->width_in == 0) {
        buffers_.tokens[row] = run.step->sequence->tokens[position];
      } else {
        Combine(run.node->read, *run.step->sequence->network, RegistersOf(run, position),
                run.node->width_in, buffers_.x + row * run.node->width_in);
      }
    }
  });
}

void Interpreter::PutBack(std::int64_t rows, bool output, float* f, Profile* profile) {
  const PartTimer timer(profile, kCombine);
  pool_.ParallelFor(rows, kRowGrain, [&](std::int64_t begin, std::int64_t end, int thread) {
    KernelTimer kernel(profile, thread);
    for (std::int64_t row = begin; row < end; ++row) {
      const RunOfRows& run = runs_[buffers_.run_of[row]];
      float* const registers = RegistersOf(run, run.first_position + row - run.batch_row);
      const std::int64_t width = run.node->width_out;
      float* const out = output ? f + row * width : registers + run.node->value_offset;
      CombineAndAdd(run.node->carry, *run.step->sequence->network, registers, width, add_scaled_,
                    f + row * width, out);
    }
    kernel.Lap(Kernel::kAddScaled);
  });
}

void Interpreter::LoadKeptValues(const RunOfRows& run) {
  Sequence& sequence = *run.step->sequence;
  const NodeStart& start = sequence.starts[run.node_index];
  const std::int64_t begin = std::max(sequence.position, start.value);
  const std::int64_t end = std::min(sequence.position + run.step->rows, start.compute);
  if (begin >= end) {
    return;
  }
  const ValuePages* const kept = KeptValuesOf(sequence, run.node_index);
  CHECK(kept != nullptr);
  CHECK_LE(end, kept->cached);
  const std::int64_t width = run.node->width_out;
  for (std::int64_t position = begin; position < end; ++position) {
    std::memcpy(RegistersOf(run, position) + run.node->value_offset,
                KeptValueAt(*kept, position, width), width * sizeof(float));
  }
}

void Interpreter::KeepValues(const RunOfRows& run) {
  const ValuePages* const kept = KeptValuesOf(*run.step->sequence, run.node_index);
  if (kept == nullptr || !kept->recording) {
    return;
  }
  const std::int64_t width = run.node->width_out;
  for (std::int64_t position = std::max(run.first_position, kept->cached);
       position < run.first_position + run.rows; ++position) {
    std::memcpy(KeptValueAt(*kept, position, width),
                RegistersOf(run, position) + run.node->value_offset, width * sizeof(float));
  }
}

float* Interpreter::HandOut(float* out, std::int64_t rows) {
  for (const RunOfRows& run : runs_) {
    const bool hidden = run.batch_row >= rows;
    const std::int64_t width = hidden ? run.node->width_in : run.node->width_out;
    const auto floats = static_cast<std::size_t>(run.rows * width);
    if (hidden) {
      std::memcpy(out, buffers_.x + run.batch_row * width, floats * sizeof(float));
    }
    run.step->logits = {out, floats};
    run.step->logits_width = width;
    run.step->logits_first_position = run.first_position;
    out += floats;
  }
  return out;
}

void Interpreter::Run(std::span<StepRows> step, std::span<const LoadedNetwork* const> networks,
                      std::span<const MergeGroup> order, EngineCounters& counters, Profile* profile,
                      const ExpertListener& listener) {
  float* next_logits = buffers_.logits;
  for (const MergeGroup& group : order) {
    const LoadedNetwork& network = *networks[group.members.front().network];
    const int index = static_cast<int>(group.members.front().node);
    const LoadedNode& node = network.nodes[index];
    const bool output = index == network.output();  // then of all members: MeetingNumbers
    CollectRuns(step, networks, group, output);
    if (runs_.empty()) {
      continue;
    }
    const std::int64_t gathered = runs_.back().batch_row + runs_.back().rows;
    CHECK_LE(gathered, output ? max_logit_rows_ : max_rows_);
    GatherInputs(gathered, profile);

    const auto hidden = std::ranges::find_if(
        runs_, [&](const RunOfRows& run) { return output && WantsHiddenStates(*run.step); });
    const std::int64_t rows = hidden == runs_.end() ? gathered : hidden->batch_row;
    float* const f = output ? next_logits : buffers_.f;
    if (rows > 0) {
      CollectSegments(rows);
      const std::size_t mark = arena_.used();
      const RowBatch batch{.rows = rows, .segments = segments_, .tokens = buffers_.tokens};
      {
        const PartTimer timer(profile, node.kind->name);
        ExpertsOfRuns experts(runs_, listener);
        node.bound->block->Forward(batch, buffers_.x, f,
                                   {&pool_, &arena_, profile, listener ? &experts : nullptr});
      }
      arena_.Rewind(mark);
      PutBack(rows, output, f, profile);
      ++counters.block_runs;
      counters.block_rows += rows;
    }
    if (output) {
      next_logits = HandOut(next_logits, rows);
      continue;
    }
    for (const RunOfRows& run : runs_) {
      KeepValues(run);
    }
  }
}

}  // namespace ashlar::internal
