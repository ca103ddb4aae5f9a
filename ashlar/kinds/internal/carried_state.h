// How kinds walk through the rows of a batch when each row needs the state that the row before it
// left: in order, page by page, split over threads by parts of the state.
//
// A page of carried state stands for a run of positions, and has the state as it is after the last
// of them that was computed. Within a page it is changed in place; the first row of a page begins
// with what the page before it ends with; the first row of all, with zeros. So a full page is never
// written again, and a sequence can go on from the end of any page.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ashlar/base/check.h"
#include "ashlar/kinds/cpu_kind.h"

namespace ashlar::internal {

// Consecutive rows of one sequence whose positions lie in one page.
struct CarriedRun {
  std::int64_t first_row;  // in the batch
  std::int64_t rows;
  const float* before;  // the state before the first row; null: there was none
  float* state;         // the page: after this run, the state after its last row

  // The part of the state that a caller changes in place from row to row: `count` floats at
  // `offset`. Called once per run and part.
  float* Continue(std::int64_t offset, std::int64_t count, float initial = 0) const {
    float* const part = state + offset;
    if (before == nullptr) {
      std::fill_n(part, count, initial);
    } else if (before != state) {
      std::copy_n(before + offset, count, part);
    }
    return part;
  }
};

// Parts of `unit` that `count` items are shared out in.
constexpr std::int64_t PartsOf(std::int64_t count, std::int64_t unit) {
  return (count + unit - 1) / unit;
}

// body(run, part) for every part in [0, parts) and, of each sequence, its runs in order. Parts run
// on any threads at any time: each owns its own floats of the state.
template <class Body>
void ForEachCarriedRun(const RowBatch& batch, std::int64_t parts, const Workshop& workshop,
                       const Body& body) {
  const auto walk = [&](const Segment& segment, std::int64_t part) {
    CHECK(segment.writes_state);
    const std::int64_t length = segment.page_positions;
    const auto page = [&](std::int64_t position) {
      return reinterpret_cast<float*>(segment.pages[position / length]);
    };
    const float* before = segment.first_position == 0 ? nullptr : page(segment.first_position - 1);
    for (std::int64_t done = 0; done < segment.rows;) {
      const std::int64_t position = segment.first_position + done;
      const CarriedRun run{.first_row = segment.first_row + done,
                           .rows = std::min(length - position % length, segment.rows - done),
                           .before = before,
                           .state = page(position)};
      body(run, part);
      before = run.state;
      done += run.rows;
    }
  };
  const auto segments = static_cast<std::int64_t>(batch.segments.size());
  workshop.pool->ParallelFor(segments * parts, 1,
                             [&](std::int64_t begin, std::int64_t end, int thread) {
                               KernelTimer timer(workshop.profile, thread);
                               for (std::int64_t item = begin; item < end; ++item) {
                                 walk(batch.segments[item / parts], item % parts);
                               }
                               timer.Lap(Kernel::kScan);
                             });
}

}  // namespace ashlar::internal
