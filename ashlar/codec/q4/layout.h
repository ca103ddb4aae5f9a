// Where things lie in a tile of q4.1 (32 outputs x 32 inputs, 576 bytes); docs/formats/q4.md.
//
//     0  32 f16 scales, one per output
//    64  8 quads of 64 bytes; in quad j, byte 4 * o + i (o < 16) holds input 4 * j + i of output o
//        in its low nibble and of output o + 16 in its high nibble, each as q + 8
//
// One 64-byte line unpacks (and; shift, and) to two registers of 16 outputs x 4 inputs: what
// vpdpbusd multiplies by one broadcast dword of activations, summing per output with no shuffle.
#pragma once

namespace ashlar {

struct Q4Layout {
  static constexpr int kOutputs = 32;
  static constexpr int kInputs = 32;
  static constexpr int kQuads = kInputs / 4;
  static constexpr int kScaleBytes = 2 * kOutputs;
  static constexpr int kQuadBytes = 2 * kOutputs;
  static constexpr int kTileBytes = kScaleBytes + kQuads * kQuadBytes;
  static constexpr int kBias = 8;
};
static_assert(Q4Layout::kTileBytes == 576);

}  // namespace ashlar
