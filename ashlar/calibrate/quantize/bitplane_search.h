// The best code of 8 bits of a weight for several prefixes at once.
#pragma once

#include <array>
#include <cstdint>

#include "ashlar/calibrate/quantize/bitplane_lanes.h"

namespace ashlar {

// What one input's codes of kLanes outputs are chosen by: the least, over codes, of the sum over
// prefixes of weight * (target - value of the code's prefix)^2.
struct CodeTargets {
  int planes;                            // of the last prefix, 2 to 8
  std::array<Lanes, kPrefixes> targets;  // in units of factor * scale
  std::array<Lanes, kPrefixes> weights;  // times factor^2; 0 for prefixes that are not wanted
};

// codes[lane] of 8 bits. Deterministic: of equal sums the lowest code.
void ChooseCodes(const CodeTargets& wanted, std::uint8_t* codes);

}  // namespace ashlar
