#include "ashlar/runtime/internal/scheduler.h"

#include <algorithm>

#include "ashlar/kernels/attention/attention.h"

namespace ashlar::internal {
namespace {

bool HoldsPages(const SequenceView& sequence) {
  return std::ranges::any_of(sequence.slots, [](const SlotDemand& slot) { return slot.held > 0; });
}

// The most rows in [0, wanted] whose pages fit in `bytes`.
std::int64_t RowsWithin(const SequenceView& sequence, std::int64_t wanted, std::uint64_t bytes) {
  std::int64_t rows = wanted;
  while (rows > 0 && BytesToReach(sequence, sequence.position + rows) > bytes) {
    // Back to the last position of the page before.
    const std::int64_t end = (sequence.position + rows - 1) / kPageLength * kPageLength;
    rows = end - sequence.position;
  }
  return std::max<std::int64_t>(rows, 0);
}

// The youngest sequence of the lowest priority that holds pages. Not the oldest running one of the
// highest priority, unless it is alone.
std::size_t Victim(std::span<const SequenceView> sequences) {
  const SequenceView* kept = nullptr;
  for (const SequenceView& sequence : sequences) {
    if (sequence.running && (kept == nullptr || sequence.priority > kept->priority)) {
      kept = &sequence;
    }
  }
  const SequenceView* victim = kept;
  for (const SequenceView& sequence : sequences) {
    if (HoldsPages(sequence) && &sequence != kept &&
        (victim == kept || sequence.priority <= victim->priority)) {
      victim = &sequence;
    }
  }
  return victim - sequences.data();
}

}  // namespace

std::uint64_t BytesToReach(const SequenceView& sequence, std::int64_t end) {
  std::uint64_t bytes = 0;
  for (const SlotDemand& slot : sequence.slots) {
    const std::int64_t missing = std::max<std::int64_t>(PagesFor(end) - slot.held, 0);
    bytes += slot.page_bytes * static_cast<std::uint64_t>(missing + (slot.copy_last ? 1 : 0));
  }
  return bytes;
}

Decision Decide(const SchedulerLimits& limits, const SchedulerState& state,
                std::span<std::int64_t> rows) {
  const std::span<const SequenceView> sequences = state.sequences;
  std::ranges::fill(rows, 0);
  std::int64_t rows_left = limits.max_rows;
  std::int64_t logit_rows_left = limits.max_logit_rows;
  std::uint64_t bytes_left = state.available_bytes;
  std::int64_t running = 0;

  const auto decodes = [](const SequenceView& sequence) {
    return sequence.running && sequence.length - sequence.position == 1;
  };
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    running += sequences[i].running ? 1 : 0;
    if (decodes(sequences[i])) {
      const std::uint64_t bytes = BytesToReach(sequences[i], sequences[i].length);
      if (bytes > bytes_left) {
        return {Action::kMakeRoom, Victim(sequences)};
      }
      rows[i] = 1;
      bytes_left -= bytes;
      --rows_left;
      --logit_rows_left;
    }
  }
  const bool decoding = rows_left < limits.max_rows;
  if (decoding) {
    rows_left = std::min(rows_left, limits.prompt_rows_beside_decoding);
  }
  bool stuck = false;          // a prompt found no page for even one row
  std::uint64_t promised = 0;  // what running prompts will need after this step
  for (const std::size_t i : state.turns) {
    const SequenceView& sequence = sequences[i];
    if (!sequence.running || decodes(sequence)) {
      continue;
    }
    const std::int64_t wanted = std::min(
        {rows_left, sequence.length - sequence.position,
         std::max<std::int64_t>(sequence.logits_from - sequence.position, 0) + logit_rows_left});
    rows[i] = RowsWithin(sequence, wanted, bytes_left);
    stuck |= wanted > 0 && rows[i] == 0;
    const std::int64_t end = sequence.position + rows[i];
    const std::uint64_t bytes = rows[i] > 0 ? BytesToReach(sequence, end) : 0;
    bytes_left -= bytes;
    rows_left -= rows[i];
    logit_rows_left -= std::clamp<std::int64_t>(end - sequence.logits_from, 0, rows[i]);
    promised += BytesToReach(sequence, sequence.length) - bytes;
  }
  const bool idle = !decoding && rows_left == limits.max_rows;
  if (idle && stuck) {
    return {Action::kMakeRoom, Victim(sequences)};
  }

  const auto turn = std::ranges::find_if_not(
      state.turns, [&](const std::size_t i) { return sequences[i].running; });
  if (turn != state.turns.end() && running < limits.max_sequences && rows_left > 0 &&
      logit_rows_left > 0 && (state.may_admit || running == 0)) {
    const SequenceView* const next = &sequences[*turn];
    // Room for one more token too, lest it be turned out at once; unless nobody else is there.
    const std::int64_t end = next->length + (running > 0 ? 1 : 0);
    if (promised <= bytes_left && BytesToReach(*next, end) <= bytes_left - promised) {
      return {Action::kAdmit, *turn};
    }
    if (running == 0) {  // others that wait (forks) hold what it needs
      for (std::size_t i = sequences.size(); i-- > 0;) {
        if (i != *turn && HoldsPages(sequences[i])) {
          return {Action::kMakeRoom, i};
        }
      }
      return {Action::kMakeRoom, *turn};
    }
  }
  return {Action::kRun};
}

}  // namespace ashlar::internal
