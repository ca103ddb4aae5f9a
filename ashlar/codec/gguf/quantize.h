// Blocks out of numbers: the encoders of the types that ashlar writes.
//
// They look for the least sum of squared errors, each number counting alike: first the best line of
// each group (line_search.h), then, for types whose scales are small integers in units of the
// block's own, the integers near it that err least, and the unit that is best for those.
// Requires: finite numbers. What is beyond the reach of f16 scales is cut.
#pragma once

#include <cstddef>

namespace ashlar::internal {

void EncodeQ4_1(const float* values, std::byte* block);  // 32 numbers -> 20 bytes
void EncodeQ4K(const float* values, std::byte* block);   // 256 -> 144
void EncodeQ6K(const float* values, std::byte* block);   // 256 -> 210

}  // namespace ashlar::internal
