// Decides what a step does: a pure function of the sequences there are and the room that is left,
// without clock, thread or memory of earlier steps.
//
// A step has one row for every sequence that decodes, then as much of the prompts as the limits
// leave, in the order in which the engine's policy serves them. The first in that order that waits
// is admitted when all it has to say so far fits beside what the running ones have; nobody passes
// it meanwhile, so a long one gets its turn. When those that run outgrow the pages, the youngest of
// the lowest priority that holds pages gives them up and waits again; it loses time, and nothing
// else. The oldest running one of the highest priority never does, so something always finishes.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "ashlar/kernels/attention/attention_args.h"

namespace ashlar::internal {

// Pages of `page_positions` positions that hold so many positions.
constexpr std::int64_t PagesFor(std::int64_t positions, std::int64_t page_positions = kPageLength) {
  return (positions + page_positions - 1) / page_positions;
}

// Pages of one state slot of a sequence.
struct SlotDemand {
  std::uint64_t page_bytes;
  std::int64_t held;       // pages in its table
  bool copy_last = false;  // the last one is shared and must be copied before it is written
  std::int64_t page_positions = kPageLength;  // a multiple of kPageLength
};

// What a row of a sequence costs, by the position that it stands at: in operations, as the kinds of
// its network's blocks declare them, where steps are to be compared in time.
struct RowWork {
  double fixed = 1;
  double per_position = 0;
  double At(std::int64_t position) const {
    return fixed + per_position * static_cast<double>(position);
  }
  // Of positions [begin, begin + rows).
  double Of(std::int64_t begin, std::int64_t rows) const;
};

struct SequenceView {
  bool running = false;
  std::int64_t position = 0;     // next one to be processed
  std::int64_t length = 0;       // tokens known; position < length
  std::int64_t logits_from = 0;  // first position whose logits are wanted
  std::int64_t generated = 0;    // of the tokens, those that are no prompt
  int priority = 0;              // lower ones make room first
  RowWork work = {};
  std::span<const SlotDemand> slots;
};

struct SchedulerLimits {
  std::int64_t max_rows;
  std::int64_t max_logit_rows;  // >= max_sequences
  std::int64_t max_sequences;   // running at once; <= max_rows
  // Of prompts, in a step in which somebody decodes at a pace (kTokensToFindAPace): so many rows,
  // or as few as have so much work, but at least kLeastChunk of these rows. 0 rows: none.
  std::int64_t prompt_rows_beside_decoding = max_rows;
  double prompt_work_beside_decoding = std::numeric_limits<double>::infinity();
};

// A sequence that has generated fewer tokens has no pace yet that the prompts of others could
// disturb: beside none but such, they are read as if nobody decoded. So requests that come at about
// the same time read their prompts in few steps, and then share all others.
inline constexpr std::int64_t kTokensToFindAPace = 8;

// A chunk of a prompt reads all keys and values before it once, however few rows it has. With
// fewer than these a long prompt would take several times as long for hardly shorter steps.
inline constexpr std::int64_t kLeastChunk = 4;

// On AMX, kernels multiply rows by weights in tiles of up to so many, and the first row of a tile
// takes as long as all of it: of a small network's step with 16 rows, another third. So beside
// others that decode a chunk that work bounds ends with a whole tile where it would go on for a
// quarter of one at most. (All rows of a step count, as of one network.)
inline constexpr std::int64_t kRowTile = 16;

struct SchedulerState {
  std::span<const SequenceView> sequences;  // in order of arrival
  std::span<const std::size_t> turns;       // their indices, those first that are served first
  std::uint64_t available_bytes;            // for pages
  bool may_admit;                           // false in a step in which somebody had to make room
};

enum class Action : std::uint8_t {
  kRun,       // run the step with the rows that were filled in
  kAdmit,     // let sequence `index` run, and ask again
  kMakeRoom,  // take the pages of sequence `index`, let it wait, and ask again
};

struct Decision {
  Action action;
  std::size_t index = 0;
};

// Bytes of the pages that the sequence must get to process positions below `end`.
std::uint64_t BytesToReach(const SequenceView& sequence, std::int64_t end);

// `rows` has one entry per sequence: how many rows it has in this step (kRun only).
Decision Decide(const SchedulerLimits& limits, const SchedulerState& state,
                std::span<std::int64_t> rows);

}  // namespace ashlar::internal
