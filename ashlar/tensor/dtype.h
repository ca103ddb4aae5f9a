// The element types that numbers are kept in outside packed codecs, and their conversions to f32.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ashlar/base/result.h"

namespace ashlar {

enum class DType : std::uint8_t { kF32, kF16, kBF16 };

constexpr std::size_t ByteSize(DType dtype) {
  return dtype == DType::kF32 ? 4 : 2;
}
std::string_view DTypeName(DType dtype);  // "f32", "f16", "bf16"

// IEEE 754 binary16 and bfloat16 as raw bits. Narrowing rounds to nearest, ties to even; NaN
// stays NaN.
float F16ToF32(std::uint16_t bits);
std::uint16_t F32ToF16(float value);
constexpr float BF16ToF32(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}
std::uint16_t F32ToBF16(float value);

}  // namespace ashlar
