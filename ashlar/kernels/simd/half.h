// An IEEE binary16 number in memory: the vector types widen it when they load, and round to nearest
// even when they store.
#pragma once

#include <cstdint>

namespace ashlar::simd {

enum class Half : std::uint16_t {};

}  // namespace ashlar::simd
