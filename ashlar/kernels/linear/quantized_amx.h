// The integer kernels on AMX (Sapphire Rapids and later), for enough rows to fill its tiles.
// Included by *_amx.cc only.
//
// The sum and its order are those of quantized_simd.h, so a row's bits are those of the AVX-512
// form, which takes the calls with few rows.
//
// One tile multiplication gives the dots of 16 rows and 16 outputs over one group: 8192 products in
// 16 cycles. (A group fills 32 of a tile's 64 bytes; its own scale keeps two groups from being
// summed as one.) Then 256 dots are converted, scaled and added, 3 x 16 instructions on two ports,
// 24 cycles. Measured at 2.5 GHz, per group: 13 ns for the tiles' instructions (two loads, the
// product, the store), 9.4 ns for the additions, 22 ns for both: the two do not overlap, however
// they are interleaved. So at most 750 GOP/s, where vpdpbusd (quantized_avx512.h) has at most 440;
// with a neighbour on the same core, tiles suffer more (58 ns).
//
// A band's weights are unpacked once for all rows, some groups at a time, to signed bytes in the
// order that a tile wants.
#pragma once

#include <cstddef>
#include <cstdint>

#include <immintrin.h>

#include "ashlar/kernels/linear/linear_args.h"
#include "ashlar/kernels/simd/amx.h"
#include "ashlar/kernels/simd/f32x16.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::amx {
namespace {

// Fewer rows than this wait for memory, or are faster by vpdpbusd: a tile takes as long for 8 rows as
// for 16, and longer where a core's other thread uses tiles too. (Decoding 30 million weights in 4
// bits with 2 threads: 8 sequences 2,500 tokens/s by vpdpbusd and 1,880 by tiles; 12 sequences 2,340
// and 2,010.)
constexpr std::int64_t kLeastRows = 13;

constexpr int kTileRows = 16;
constexpr int kTileOutputs = 16;
constexpr int kQuadsPerGroup = kGroup / 4;
constexpr int kChunkGroups = 16;  // 18 KB, and 8 KB of a block's rows: the first-level cache

// Tiles 0, 1: sums; 2, 3: activations of `rows` rows; 4, 5: weights. Each of two, used in turn, so
// that one group's multiplication need not wait for the other's.
void Configure(int rows) {
  simd::TileConfig config;
  for (const int tile : {0, 1}) {
    config.rows[tile] = static_cast<std::uint8_t>(rows);
    config.row_bytes[tile] = 64;
    config.rows[2 + tile] = static_cast<std::uint8_t>(rows);
    config.row_bytes[2 + tile] = kGroup;
    config.rows[4 + tile] = kQuadsPerGroup;
    config.row_bytes[4 + tile] = 64;
  }
  simd::Configure(config);
}

// A band's weights in some consecutive groups.
struct Chunk {
  // [half][group][quad, output, 4 inputs]
  alignas(64) std::int8_t q[2][kChunkGroups][kQuadsPerGroup * 64];
  alignas(64) float scale[2][kChunkGroups][kTileOutputs];
};

// A band's weights, from group 0 up, as QuantizedLinear takes them: here, of packed tiles.
template <class Tile>
class TilesSource {
 public:
  using Layout = typename Tile::Layout;
  static_assert(Layout::kOutputs == 2 * kTileOutputs && Layout::kQuads == kQuadsPerGroup);
  static constexpr bool kHalf = false;  // whether half the sum of qx is added to each dot

  TilesSource(const LinearArgs& args, std::int64_t output)
      : tile_(args.weights +
              static_cast<std::uint64_t>(output / Layout::kOutputs) * args.band_stride) {}

  // The next groups.
  void Unpack(int groups, Chunk& chunk) {
    const __m512i bias = _mm512_set1_epi8(static_cast<char>(Layout::kBias));
    for (int g = 0; g < groups; ++g, tile_ += Layout::kTileBytes) {
      const std::byte* quad = tile_ + Layout::kScaleBytes;
      ASHLAR_UNROLL
      for (int j = 0; j < kQuadsPerGroup; ++j, quad += Layout::kQuadBytes) {
        __m512i w[2];
        Tile::template Load<2>(quad, 0, w);
        _mm512_store_si512(chunk.q[0][g] + 64 * j, _mm512_sub_epi8(w[0], bias));
        _mm512_store_si512(chunk.q[1][g] + 64 * j, _mm512_sub_epi8(w[1], bias));
      }
      Tile::Scales(tile_, 0).Store(chunk.scale[0][g]);
      Tile::Scales(tile_, kTileOutputs).Store(chunk.scale[1][g]);
    }
  }
  // Asks for the g-th of those after them.
  void Prefetch(int g) const {
    ASHLAR_UNROLL
    for (int line = 0; line < Layout::kTileBytes; line += 64) {
      simd::F32x16::Prefetch(tile_ + g * Layout::kTileBytes + line);
    }
  }
  // When all of the band's groups are in y.
  void Finish() const {}

 private:
  const std::byte* tile_;
};

using Dots = std::int32_t[kTileRows][kTileOutputs];

// The dots of group g, by the tiles whose turn it is. (A tile's number is written into the
// instruction: the compilers take nothing but a literal.)
void Multiply(int g, const std::int8_t* x, std::int64_t x_stride, const std::int8_t* w,
              Dots& dots) {
  if (g % 2 == 0) {
    _tile_zero(0);
    _tile_loadd(2, x, x_stride);
    _tile_loadd(4, w, 64);
    _tile_dpbssd(0, 2, 4);
    _tile_stored(0, dots, 64);
  } else {
    _tile_zero(1);
    _tile_loadd(3, x, x_stride);
    _tile_loadd(5, w, 64);
    _tile_dpbssd(1, 3, 5);
    _tile_stored(1, dots, 64);
  }
}

// A block: `rows` <= 16 rows from `x`, 16 outputs, a chunk's groups; from the first of all groups
// on, or on top of what y has. Rows that are not there are computed from whatever their scales are,
// and not stored.
struct Block {
  const std::int8_t* q;
  std::int64_t q_stride;  // bytes
  const float* scale;
  const std::int32_t* sum;
  std::int64_t scale_stride;  // and of sums
  const std::int8_t (*w)[kQuadsPerGroup * 64];
  const float (*w_scale)[kTileOutputs];
  float* y;
  std::int64_t y_stride;
  __mmask16 outputs;
  int rows;
  int groups;
  bool first;
  int fetch;  // of weights to come: 0 the even groups, 1 the odd ones, -1 none
};

template <class Source>
void Run(const Block& block, const Source& source) {
  alignas(64) Dots dots[2];
  __m512 y[kTileRows];
  ASHLAR_UNROLL
  for (int r = 0; r < kTileRows; ++r) {
    y[r] = block.first || r >= block.rows
               ? _mm512_setzero_ps()
               : _mm512_maskz_loadu_ps(block.outputs, block.y + r * block.y_stride);
  }
  Multiply(0, block.q, block.q_stride, block.w[0], dots[0]);
  for (int g = 0; g < block.groups; ++g) {
    if (g + 1 < block.groups) {
      Multiply(g + 1, block.q + (g + 1) * kGroup, block.q_stride, block.w[g + 1],
               dots[(g + 1) % 2]);
    }
    if (g % 2 == block.fetch) {
      source.Prefetch(g);
    }
    const __m512 w_scale = _mm512_load_ps(block.w_scale[g]);
    const float* const x_scale = block.scale + g * block.scale_stride;
    const std::int32_t* const x_sum = block.sum + g * block.scale_stride;
    ASHLAR_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      const __m512 scale = _mm512_mul_ps(w_scale, _mm512_set1_ps(x_scale[r]));
      __m512 dot = _mm512_cvtepi32_ps(_mm512_load_si512(dots[g % 2][r]));
      if constexpr (Source::kHalf) {
        dot = _mm512_add_ps(dot, _mm512_set1_ps(0.5f * static_cast<float>(x_sum[r])));
      }
      y[r] = _mm512_fmadd_ps(dot, scale, y[r]);
    }
  }
  ASHLAR_UNROLL
  for (int r = 0; r < kTileRows; ++r) {
    if (r < block.rows) {
      _mm512_mask_storeu_ps(block.y + r * block.y_stride, block.outputs, y[r]);
    }
  }
}

template <class Source>
void QuantizedLinear(const LinearArgs& args) {
  const QuantizedRows& x = args.x_quantized;
  const std::int64_t groups = args.inputs / kGroup;
  Chunk chunk;
  int configured = 0;
  for (std::int64_t n = args.output_begin; n < args.output_end; n += 2 * kTileOutputs) {
    Source source(args, n);
    for (std::int64_t g = 0; g < groups; g += kChunkGroups) {
      const auto count = static_cast<int>(groups - g < kChunkGroups ? groups - g : kChunkGroups);
      source.Unpack(count, chunk);
      simd::StoresBeforeTiles();
      for (std::int64_t row = 0; row < args.rows; row += kTileRows) {
        const auto rows =
            static_cast<int>(args.rows - row < kTileRows ? args.rows - row : kTileRows);
        if (rows != configured) {
          Configure(rows);
          configured = rows;
        }
        for (int half = 0; half < 2; ++half) {
          const std::int64_t output = n + half * kTileOutputs;
          const std::int64_t left = args.output_end - output;
          if (left <= 0) {
            break;
          }
          Run({.q = x.q + (row * x.stride_groups + g) * kGroup,
               .q_stride = x.stride_groups * kGroup,
               .scale = x.scale + g * x.stride_rows + row,
               .sum = x.sum + g * x.stride_rows + row,
               .scale_stride = x.stride_rows,
               .w = chunk.q[half],
               .w_scale = chunk.scale[half],
               .y = args.y + row * args.y_stride + output,
               .y_stride = args.y_stride,
               .outputs = static_cast<__mmask16>(left < kTileOutputs ? (1u << left) - 1 : 0xffffu),
               .rows = rows,
               .groups = count,
               .first = g == 0,
               .fetch = row == 0 ? half : -1},
              source);
        }
      }
    }
    source.Finish();
  }
  _tile_release();
}

}  // namespace
}  // namespace ashlar::amx
