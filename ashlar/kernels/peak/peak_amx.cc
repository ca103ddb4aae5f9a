#include <immintrin.h>

#include "ashlar/kernels/peak/peak_loops.h"
#include "ashlar/kernels/simd/amx.h"

namespace ashlar::amx {

// Whole tiles (16 rows, 64 inputs of bytes or 32 of bf16, 16 outputs), four sums in flight. A tenth
// of the rounds, each being many products.
namespace {

void ZeroTiles() {
  simd::TileConfig config;
  for (int tile = 0; tile < 6; ++tile) {
    config.rows[tile] = 16;
    config.row_bytes[tile] = 64;
  }
  simd::Configure(config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
}

}  // namespace

std::int64_t PeakInt8Loop(std::int64_t rounds) noexcept {
  ZeroTiles();
  rounds /= 10;
  for (std::int64_t round = 0; round < rounds; ++round) {
    _tile_dpbssd(0, 4, 5);
    _tile_dpbssd(1, 4, 5);
    _tile_dpbssd(2, 4, 5);
    _tile_dpbssd(3, 4, 5);
  }
  _tile_release();
  return rounds * 4 * (16 * 64 * 16) * 2;
}

// A product of a weight of bf16 and an activation of f32 is three products of bf16.
std::int64_t PeakF32Loop(std::int64_t rounds) noexcept {
  ZeroTiles();
  rounds /= 10;
  for (std::int64_t round = 0; round < rounds; ++round) {
    _tile_dpbf16ps(0, 4, 5);
    _tile_dpbf16ps(1, 4, 5);
    _tile_dpbf16ps(2, 4, 5);
    _tile_dpbf16ps(3, 4, 5);
  }
  _tile_release();
  return rounds * 4 * (16 * 32 * 16) * 2 / 3;
}

}  // namespace ashlar::amx
