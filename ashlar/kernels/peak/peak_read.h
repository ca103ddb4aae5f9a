// The body of reading, for any width of vector: eight streams side by side, each fetched ahead.
//
// One stream is not what memory gives to a core: the prefetcher of the second-level cache follows
// each page by itself and waits at its end, so more pages at a time keep more lines under way.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::internal {

// Sums all numbers of [begin, begin + bytes): 64-byte aligned, a multiple of 2048.
[[gnu::always_inline]] inline std::uint64_t SumOfStreams(const std::byte* begin, std::int64_t bytes,
                                                         std::int64_t ahead) {
  using Line [[gnu::vector_size(64), gnu::may_alias]] = std::uint64_t;
  constexpr int kStreams = 8;
  constexpr int kLines = 4;  // of a stream, before the next
  const std::int64_t stream_bytes = bytes / kStreams;
  Line sum = {};
  for (std::int64_t at = 0; at < stream_bytes; at += kLines * 64) {
    ASHLAR_UNROLL
    for (int stream = 0; stream < kStreams; ++stream) {
      const std::byte* lines = begin + stream * stream_bytes + at;
      ASHLAR_UNROLL
      for (int i = 0; i < kLines; ++i) {
        __builtin_prefetch(lines + ahead + 64 * i);  // beyond the end it does nothing
        sum += *reinterpret_cast<const Line*>(lines + 64 * i);
      }
    }
  }
  std::uint64_t total = 0;
  for (int i = 0; i < 8; ++i) {
    total += sum[i];
  }
  return total;
}

}  // namespace ashlar::internal
