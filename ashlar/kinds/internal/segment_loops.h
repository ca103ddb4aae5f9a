// How kinds with state share the rows of a batch out over threads: row by row, to finish and store
// keys; and in blocks of rows of one sequence, to attend.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "ashlar/kinds/cpu_kind.h"

namespace ashlar::internal {

// Rows of one sequence that one call of an attention kernel takes: enough to read a page of keys
// for many rows, and few enough that a chunk of a prompt is shared out evenly.
inline constexpr std::int64_t kAttendRows = 32;

// body(segment, row, position, timer) for every row of the batch.
template <class Body>
void ForEachRow(const RowBatch& batch, const Workshop& workshop, const Body& body) {
  constexpr std::int64_t kRowGrain = 4;  // rows that a thread takes at once
  workshop.pool->ParallelFor(
      batch.rows, kRowGrain, [&](std::int64_t begin, std::int64_t end, int thread) {
        KernelTimer timer(workshop.profile, thread);
        const Segment* segment =
            &*std::prev(std::ranges::upper_bound(batch.segments, begin, {}, &Segment::first_row));
        for (std::int64_t row = begin; row < end; ++row) {
          while (row >= segment->first_row + segment->rows) {
            ++segment;
          }
          body(*segment, row, segment->first_position + row - segment->first_row, timer);
        }
      });
}

// body(segment, first, rows, part) for every block of rows [first, first + rows), counted from the
// segment's first, and every part in [0, parts) of what is computed for a row (such as a key-value
// head).
template <class Body>
void ForEachAttendBlock(const RowBatch& batch, std::int64_t parts, const Workshop& workshop,
                        const Body& body) {
  const auto blocks_of = [](const Segment& segment) {
    return (segment.rows + kAttendRows - 1) / kAttendRows;
  };
  std::int64_t blocks = 0;
  for (const Segment& segment : batch.segments) {
    blocks += blocks_of(segment);
  }
  workshop.pool->ParallelFor(
      blocks * parts, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
        KernelTimer timer(workshop.profile, thread);
        // Item i is part i % parts of block i / parts, blocks counted over all segments.
        std::int64_t first_block = 0;  // of the segment
        for (const Segment& segment : batch.segments) {
          const std::int64_t last_block = first_block + blocks_of(segment);
          for (; begin < end && begin < last_block * parts; ++begin) {
            const std::int64_t first = (begin / parts - first_block) * kAttendRows;
            body(segment, first, std::min(kAttendRows, segment.rows - first), begin % parts);
          }
          first_block = last_block;
        }
        timer.Lap(Kernel::kAttention);
      });
}

}  // namespace ashlar::internal
