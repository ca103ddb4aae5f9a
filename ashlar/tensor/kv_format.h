// How the keys and values of attention are kept in pages of state. A field of the plan, the same
// for all that one engine runs: pages of different formats never share a key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ashlar/base/result.h"

namespace ashlar {

enum class KvFormat : std::uint8_t {
  kF32,
  kF16,  // IEEE binary16, rounded to nearest even; magnitudes from 65520 on become infinite
};

constexpr std::size_t ByteSize(KvFormat format) {  // of a number
  return format == KvFormat::kF32 ? 4 : 2;
}
std::string_view KvFormatName(KvFormat format);  // "f32", "f16": also in Merkle keys
// kInvalid lists the known ones.
Result<KvFormat> ParseKvFormat(std::string_view name);

}  // namespace ashlar
