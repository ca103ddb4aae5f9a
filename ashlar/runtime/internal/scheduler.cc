#include "ashlar/runtime/internal/scheduler.h"

#include <algorithm>
#include <numeric>

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

// The most rows in [least, wanted] with so much work; `wanted` where that is less.
std::int64_t RowsOfWork(const SequenceView& sequence, std::int64_t wanted, double work,
                        std::int64_t least) {
  std::int64_t rows = std::min(wanted, least);
  while (rows < wanted && sequence.work.Of(sequence.position, rows + 1) <= work) {
    ++rows;
  }
  return rows;
}

// `wanted` rows of a prompt beside `others` of the step; fewer, but at least `least`, where the
// last few would begin a tile.
std::int64_t RowsOfTiles(std::int64_t wanted, std::int64_t others, std::int64_t least) {
  const std::int64_t beyond = (others + wanted) % kRowTile;
  return beyond <= kRowTile / 4 && wanted - beyond >= std::min(wanted, least) ? wanted - beyond
                                                                              : wanted;
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

// The youngest sequence that waits and holds pages (a fork), for `next`, which must come first; or
// else that one itself.
std::size_t HolderBeside(std::span<const SequenceView> sequences, std::size_t next) {
  for (std::size_t i = sequences.size(); i-- > 0;) {
    if (i != next && HoldsPages(sequences[i])) {
      return i;
    }
  }
  return next;
}

}  // namespace

double RowWork::Of(std::int64_t begin, std::int64_t rows) const {
  const auto count = static_cast<double>(rows);
  return count * (At(begin) + per_position * (count - 1) / 2);
}

std::uint64_t BytesToReach(const SequenceView& sequence, std::int64_t end) {
  std::uint64_t bytes = 0;
  for (const SlotDemand& slot : sequence.slots) {
    const std::int64_t missing =
        std::max<std::int64_t>(PagesFor(end, slot.page_positions) - slot.held, 0);
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
  bool paced = false;  // somebody decodes at a pace

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
      paced |= sequences[i].generated >= kTokensToFindAPace;
      bytes_left -= bytes;
      --rows_left;
      --logit_rows_left;
    }
  }
  if (paced) {
    rows_left = std::min(rows_left, limits.prompt_rows_beside_decoding);
  }
  double work_left = limits.prompt_work_beside_decoding;
  std::int64_t least = kLeastChunk;  // of the first prompt that is read
  // What running prompts will need, in this step and after it, is kept for them.
  std::uint64_t promised = 0;
  for (const SequenceView& sequence : sequences) {
    if (sequence.running && !decodes(sequence)) {
      promised += BytesToReach(sequence, sequence.length);
    }
  }
  const std::uint64_t free_bytes = bytes_left - std::min(promised, bytes_left);
  bool stuck = false;   // a prompt found no page for even one row
  bool queued = false;  // the first that waits has had its turn
  for (const std::size_t i : state.turns) {
    const SequenceView& sequence = sequences[i];
    if (!sequence.running) {
      if (queued || running == limits.max_sequences || rows_left == 0 || logit_rows_left == 0 ||
          (paced && work_left <= 0 && least == 0) || !(state.may_admit || running == 0)) {
        continue;
      }
      queued = true;
      // Room for one more token too, lest it be turned out at once; unless nobody else is there.
      const std::int64_t end = sequence.length + (running > 0 ? 1 : 0);
      if (BytesToReach(sequence, end) <= free_bytes) {
        return {Action::kAdmit, i};
      }
      if (running == 0) {
        return {Action::kMakeRoom, HolderBeside(sequences, i)};
      }
      continue;
    }
    if (decodes(sequence)) {
      continue;
    }
    std::int64_t wanted = std::min(
        {rows_left, sequence.length - sequence.position,
         std::max<std::int64_t>(sequence.logits_from - sequence.position, 0) + logit_rows_left});
    if (paced) {
      // (Cut where work is the bound only: rows grow from those of the last steps, and would stay
      // below a tile for ever.)
      const std::int64_t by_work = RowsOfWork(sequence, wanted, work_left, least);
      wanted = by_work < wanted ? RowsOfTiles(by_work, std::reduce(rows.begin(), rows.end()), least)
                                : by_work;
    }
    rows[i] = RowsWithin(sequence, wanted, bytes_left);
    stuck |= wanted > 0 && rows[i] == 0;
    const std::int64_t end = sequence.position + rows[i];
    bytes_left -= rows[i] > 0 ? BytesToReach(sequence, end) : 0;
    rows_left -= rows[i];
    work_left -= sequence.work.Of(sequence.position, rows[i]);
    least = rows[i] > 0 ? 0 : least;
    logit_rows_left -= std::clamp<std::int64_t>(end - sequence.logits_from, 0, rows[i]);
  }
  if (stuck && rows_left == limits.max_rows) {  // nobody goes on
    return {Action::kMakeRoom, Victim(sequences)};
  }
  return {Action::kRun};
}

}  // namespace ashlar::internal
