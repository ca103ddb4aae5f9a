// How the keys and values of attention are kept in pages of state: a choice for each network that
// is loaded. Pages of different formats never share a key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ashlar/base/result.h"

namespace ashlar {

enum class KvFormat : std::uint8_t {
  kF32,
  kF16,  // IEEE binary16, rounded to nearest even; magnitudes from 65520 on become infinite
  // Integers from -127 to 127 and an f32 scale for each key and each value of a head: the largest
  // magnitude over 127. Rounded to nearest even; all zero below 1e-30; a scale of NaN where a
  // number is not finite.
  kQ8,
};

constexpr std::size_t ByteSize(KvFormat format) {  // of a number, without its scale
  return format == KvFormat::kF32 ? 4 : format == KvFormat::kF16 ? 2 : 1;
}
// What so many numbers take that are the keys and values of so many heads ("vectors").
constexpr std::uint64_t KvBytes(KvFormat format, std::uint64_t numbers, std::uint64_t vectors) {
  return numbers * ByteSize(format) + (format == KvFormat::kQ8 ? vectors * sizeof(float) : 0);
}
std::span<const KvFormat> KvFormats();
std::string_view KvFormatName(KvFormat format);  // "f32", "f16", "q8": also in Merkle keys
// kInvalid lists the known ones.
Result<KvFormat> ParseKvFormat(std::string_view name);

}  // namespace ashlar
