// Where things lie in a tile of q8.1 (32 outputs x 32 inputs, 1088 bytes); docs/formats/q8.md.
//
//     0  32 f16 scales, one per output
//    64  8 quads of 128 bytes; in quad j, byte 4 * o + i is input 4 * j + i of output o, as q + 128
//
// One 64-byte line is 16 outputs x 4 inputs: what vpdpbusd multiplies by one broadcast dword of
// activations, summing per output with no shuffle.
#pragma once

namespace ashlar {

struct Q8Layout {
  static constexpr int kOutputs = 32;
  static constexpr int kInputs = 32;
  static constexpr int kQuads = kInputs / 4;
  static constexpr int kScaleBytes = 2 * kOutputs;
  static constexpr int kQuadBytes = 4 * kOutputs;
  static constexpr int kTileBytes = kScaleBytes + kQuads * kQuadBytes;
  static constexpr int kBias = 128;
};
static_assert(Q8Layout::kTileBytes == 1088);

}  // namespace ashlar
