// Nested bit planes with a scale per 32 inputs, 2 to 8 bits of which any prefix is a matrix:
// docs/formats/bitplane.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ashlar/codec/codec.h"

namespace ashlar {

extern const Codec kBitplane;

// For quantizers that choose the parts of an output themselves.
struct BitplaneRow {
  std::span<const std::uint8_t> codes;   // [columns], of 8 bits; a prefix is their first bits
  std::span<const std::uint8_t> scales;  // [columns / 32], indices into BitplaneLayout::kScales
  std::span<const float> factors;        // [levels]
};

// What a code of `planes` bits is in units of factor * scale: an odd multiple of 2^-planes.
float BitplaneValue(int code, int planes);

// Zeros the first levels of a matrix, for PutBitplaneRow to write to.
void ClearBitplanes(std::int64_t rows, std::int64_t columns, std::span<std::byte* const> levels);

// Writes one output into cleared levels. Outputs of different bands may be written at once.
void PutBitplaneRow(const BitplaneRow& parts, std::int64_t rows, std::int64_t columns,
                    std::int64_t row, std::span<std::byte* const> levels);

}  // namespace ashlar
