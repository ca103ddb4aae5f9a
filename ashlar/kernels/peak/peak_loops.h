// The loops of peak.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ashlar {

// Each runs `rounds` times over all its registers and returns the operations it did. No result
// depends on memory.
namespace avx2 {
std::int64_t PeakF32Loop(std::int64_t rounds) noexcept;
std::int64_t PeakInt8Loop(std::int64_t rounds) noexcept;
}  // namespace avx2
namespace avxvnni {
std::int64_t PeakInt8Loop(std::int64_t rounds) noexcept;
}
namespace avx512 {
std::int64_t PeakF32Loop(std::int64_t rounds) noexcept;
std::int64_t PeakInt8Loop(std::int64_t rounds) noexcept;
}  // namespace avx512
namespace amx {
std::int64_t PeakF32Loop(std::int64_t rounds) noexcept;
std::int64_t PeakInt8Loop(std::int64_t rounds) noexcept;
}  // namespace amx

// The sum of the numbers in memory, each stream fetched `ahead` bytes before it is read (see
// peak_read.h).
using SumFn = std::uint64_t (*)(const std::byte* begin, std::int64_t bytes, std::int64_t ahead);
namespace avx2 {
std::uint64_t SumOfMemory(const std::byte* begin, std::int64_t bytes, std::int64_t ahead);
}
namespace avx512 {
std::uint64_t SumOfMemory(const std::byte* begin, std::int64_t bytes, std::int64_t ahead);
}

}  // namespace ashlar
