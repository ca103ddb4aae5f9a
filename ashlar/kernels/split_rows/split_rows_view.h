// The rows of bf16 parts that split_rows writes and the raw kernels' tiles read. (Plain data.)
#pragma once

#include <cstdint>

namespace ashlar {

inline constexpr int kSplitInputs = 32;    // of a block: what a tile product takes
inline constexpr int kSplitParts = 3;      // of a number
inline constexpr int kSplitTileRows = 16;  // at most, side by side

// A view of split rows. Row m of it is row first + m of the memory, row r of which is column
// r % tile_rows of tile r / tile_rows. A number's parts, the largest first, stand in pairs of
// neighbouring inputs, the even one in the lower half:
//
//   pairs[(((r / tile_rows * blocks + block) * 3 + part) * 16 + pair) * tile_rows + r % tile_rows]
//
// so that 16 pairs of a part are the second operand of TDPBF16PS. Of a last tile the columns of
// rows that are not there, and of a last block the inputs, are zeros.
struct SplitRows {
  std::uint32_t* pairs;    // 64-byte aligned
  std::int64_t blocks;     // of 32 inputs
  std::int64_t tile_rows;  // 1 to 16
  std::int64_t first;
};

}  // namespace ashlar
