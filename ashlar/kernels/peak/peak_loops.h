// The loops of peak.h: each runs `rounds` times over all its registers and returns the operations
// it did. No result depends on memory.
#pragma once

#include <cstdint>

namespace ashlar {
namespace avx2 {
std::int64_t PeakF32Loop(std::int64_t rounds) noexcept;
std::int64_t PeakInt8Loop(std::int64_t rounds) noexcept;
}  // namespace avx2
namespace avx512 {
std::int64_t PeakF32Loop(std::int64_t rounds) noexcept;
std::int64_t PeakInt8Loop(std::int64_t rounds) noexcept;
}  // namespace avx512
namespace amx {
std::int64_t PeakInt8Loop(std::int64_t rounds) noexcept;
}
}  // namespace ashlar
