#include <immintrin.h>

#include "ashlar/kernels/peak/peak_loops.h"
#include "ashlar/kernels/simd/amx.h"

namespace ashlar::amx {

// Whole tiles (16 rows, 64 inputs, 16 outputs), four sums in flight. A tenth of the rounds, each
// being many products.
std::int64_t PeakInt8Loop(std::int64_t rounds) noexcept {
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

}  // namespace ashlar::amx
