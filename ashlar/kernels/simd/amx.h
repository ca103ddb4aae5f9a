// What AMX needs around its instructions. Included by *_amx.cc only.
#pragma once

#include <cstdint>

#include <immintrin.h>

namespace ashlar::simd {

// LDTILECFG's operand (palette 1: eight tiles of at most 16 rows of 64 bytes).
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

namespace {

// Everything stored so far is in memory. (GCC's tile instructions do not say that they read it:
// stores before them need this.)
inline void StoresBeforeTiles() {
  asm volatile("" ::: "memory");
}

inline void Configure(const TileConfig& config) {
  // The address, or the compiler may think that nobody reads all of it.
  asm volatile("" ::"r"(&config) : "memory");
  _tile_loadconfig(&config);
}

}  // namespace
}  // namespace ashlar::simd
