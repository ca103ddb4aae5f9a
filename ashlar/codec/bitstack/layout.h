// Where things lie in the levels of bitstack.1; docs/formats/bitstack.md.
//
//   a level  header: V, f16 [columns][16]; level 0 then has the scale of each input, f16 [columns];
//            then the bands of 32 outputs
//   a band   U, f16 [32][16]; then per group of 32 inputs a tile of signs, 128 bytes, in
//            bitplane.1's order; 1 is positive
//
// With the first L levels the number is
//
//   scale[k] * sum over l < L of (+-1 of l[n, k]) * sum over r < 16 of U_l[n, r] * V_l[k, r]
#pragma once

#include <cstdint>

namespace ashlar {

struct BitstackLayout {
  static constexpr int kOutputs = 32;
  static constexpr int kInputs = 32;
  static constexpr int kRank = 16;
  static constexpr int kLevels = 16;
  static constexpr int kTileBytes = kOutputs * kInputs / 8;
  static constexpr int kOutputBytes = kOutputs * kRank * 2;  // U of a band

  // (Always inlined: files compiled for an instruction set leave no copies for others to link.)
  [[gnu::always_inline]] static constexpr std::uint64_t ScalesAt(std::int64_t columns) {
    return static_cast<std::uint64_t>(columns) * kRank * 2;
  }
  [[gnu::always_inline]] static constexpr std::uint64_t HeaderBytes(int level,
                                                                    std::int64_t columns) {
    return ScalesAt(columns) + (level == 0 ? static_cast<std::uint64_t>(columns) * 2 : 0);
  }
  [[gnu::always_inline]] static constexpr std::uint64_t BandBytes(std::int64_t columns) {
    return kOutputBytes + static_cast<std::uint64_t>(columns / kInputs) * kTileBytes;
  }
};

}  // namespace ashlar
