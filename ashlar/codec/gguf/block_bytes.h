// The numbers in a block's bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ashlar/tensor/dtype.h"

namespace ashlar::internal {

inline int U8(const std::byte* block, int at) {
  return std::to_integer<int>(block[at]);
}
inline std::uint32_t U16(const std::byte* block, int at) {
  std::uint16_t value;
  std::memcpy(&value, block + at, sizeof value);
  return value;
}
inline std::uint32_t U32(const std::byte* block, int at) {
  std::uint32_t value;
  std::memcpy(&value, block + at, sizeof value);
  return value;
}
inline float F16(const std::byte* block, int at) {
  return F16ToF32(static_cast<std::uint16_t>(U16(block, at)));
}

}  // namespace ashlar::internal
