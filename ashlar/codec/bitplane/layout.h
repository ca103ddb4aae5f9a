// Where things lie in the levels of bitplane.1; docs/formats/bitplane.md.
//
// A number is a code of 8 bits, plane 7 (the sign) to plane 0, in units of a scale per group of 32
// inputs. Level 0 has planes 7 and 6 and the groups' scales, level l > 0 has plane 6 - l; each
// has its own factor per output, so that every prefix is the best that its planes can be.
//
//   a level        header: f16 factor of each output, padded with zeros to whole bands of 32 and to
//                  a multiple of 64 bytes; then the bands of 32 outputs
//   a plane's tile 32 outputs x 32 inputs, 128 bytes: 2 lines of 64. In line l, byte 4 * o + i
//                  (o < 16, i < 4) has the bits of inputs 16 * l + 4 * q + i (q < 4): bit 3 - q of
//                  output o, bit 7 - q of output o + 16
//   a pair's tile  of planes 7 and 6, 256 bytes: 4 lines. In line 2 * l + e (e < 2), byte 4 * o + i
//                  has pairs of bits, plane 7's above plane 6's, of inputs 16 * l + 4 * q + i
//                  (q = e and e + 2): bits 3 + e - q and 2 + e - q are of output o, those 4 above
//                  of output o + 16
//   band, level 0  per group a pair's tile; then per group 16 bytes, byte o: the scale's index of
//                  output o in the low nibble, of output o + 16 in the high one; padded to a
//                  multiple of 64 bytes
//   band, others   per group the tile of the plane
//
// With p planes, code the first p bits, the number is
//
//   factor[level][n] * kScales[index[n, g]] * 2^(1 - p) * (code + 0.5 - 2^(p - 1))
//
// Two lines of planes make two of pairs, two of pairs make two of nibbles, and two of nibbles two
// of bytes, each by one shift and one choice of bits by a mask: and a byte has the codes of 4
// inputs of 16 outputs where the products of bytes want them, with no shuffle.
#pragma once

#include <cstdint>

namespace ashlar {

struct BitplaneLayout {
  static constexpr int kOutputs = 32;
  static constexpr int kInputs = 32;
  static constexpr int kPlanes = 8;
  static constexpr int kFirstPlanes = 2;  // of level 0
  static constexpr int kLevels = kPlanes - kFirstPlanes + 1;
  static constexpr int kTileBytes = kOutputs * kInputs / 8;
  static constexpr int kScaleBytes = kOutputs / 2;  // of a group
  // Of scales, in units of an output's factor: 2^((i - 15) / 5), from 1/8 to 1.
  static constexpr float kScales[16] = {0.125f,       0.143587294f, 0.164938489f, 0.189464571f,
                                        0.217637641f, 0.25f,        0.287174589f, 0.329876978f,
                                        0.378929142f, 0.435275282f, 0.5f,         0.574349177f,
                                        0.659753955f, 0.757858283f, 0.870550563f, 1.0f};

  // (Always inlined: files compiled for an instruction set leave no copies for others to link.)
  [[gnu::always_inline]] static constexpr int PlanesOf(int levels) {
    return levels + kFirstPlanes - 1;
  }
  [[gnu::always_inline]] static constexpr std::uint64_t Padded(std::uint64_t bytes) {
    return (bytes + 63) / 64 * 64;
  }
  [[gnu::always_inline]] static constexpr std::uint64_t HeaderBytes(std::int64_t rows) {
    return static_cast<std::uint64_t>((rows + kOutputs - 1) / kOutputs) * kOutputs * 2;
  }
  [[gnu::always_inline]] static constexpr std::uint64_t BandBytes(int level, std::int64_t columns) {
    const auto groups = static_cast<std::uint64_t>(columns / kInputs);
    return level == 0 ? groups * kFirstPlanes * kTileBytes + Padded(groups * kScaleBytes)
                      : groups * kTileBytes;
  }
};

}  // namespace ashlar
