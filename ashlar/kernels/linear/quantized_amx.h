// The integer kernels on AMX (Sapphire Rapids and later), for enough rows to fill its tiles.
// Included by *_amx.cc only.
//
// The sum and its order are those of quantized_simd.h, so a row's bits are those of the AVX-512
// form, which takes the calls with few rows.
//
// One tile multiplication gives the dots of 16 rows and 16 outputs over one group: 8192 products in
// 16 cycles. (A group fills 32 of a tile's 64 bytes; its own scale keeps two groups from being
// summed as one.) Then 256 dots are loaded, converted, scaled and added.
//
// What bounds it: the tile unit stands where port 5 multiplies. For some 360 cycles after any tile
// instruction, 512-bit products, fused sums and conversions start on port 0 alone, one in a cycle
// (measured: 17.5 cycles for 16 of them after a TILEZERO, 8.7 without), while additions of integers
// and of floats still start on both. So 16 rows cost 48 cycles of port 0 if dots are converted by
// the instruction for it, 32 if by two additions (ToFloats): that, the tile's loads and stores
// (some 34 cycles, beside it) and their latency are what a group takes.
//
// Order. A group's product is begun two groups before its dots are needed and stored one group
// before: 16 loads, 16 cycles, some 50 of latency and 16 stores come between, and the instructions
// of two groups are about what the processor can hold in flight. Meanwhile a half of the next
// rows' bytes is asked for, since each block's 8 KB come from the second-level cache.
//
// Measured on a busy Sapphire Rapids or later, both forms in turn, least of 80 runs, one thread:
// 128 rows x 2048 x 1024 at 4 bits 904 GOP/s, where a product one group ahead, converted by the
// instruction and summed in y itself reached 731; the same with everything in the first-level cache
// is 1,120 and 980. Not kept, as nothing was gained: two tiles of weights for one of activations,
// or two for two (fewer loads, but sums do not fit the registers), sums that run on from group to
// group (no TILEZERO, but a subtraction), a first product begun within the block before (of packed
// tiles in whole parts it is: quantized_parts_amx.h), chunks of 8, 24 or 32 groups, other places
// for the dots.
//
// A band's weights are unpacked once for all rows, some groups at a time, to signed bytes in the
// order that a tile wants. (Packed tiles are taken so only if their inputs are not whole parts:
// quantized_parts_amx.h.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include <immintrin.h>

#include "ashlar/kernels/linear/linear_args.h"
#include "ashlar/kernels/simd/amx.h"
#include "ashlar/kernels/simd/f32x16.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::amx {
namespace {

// What is not taken in parts: fewer rows than this wait for memory, or are faster by vpdpbusd: a
// tile takes as long for 8 rows as for 16, and longer where a core's other thread uses tiles too.
// (Decoding 30 million weights in 4 bits with 2 threads, when blocks of vpdpbusd were of 6 rows: 8
// sequences 2,500 tokens/s by vpdpbusd and 1,880 by tiles; 12 sequences 2,340 and 2,010.)
constexpr std::int64_t kLeastRows = 13;

constexpr int kTileRows = 16;
constexpr int kTileOutputs = 16;
constexpr int kQuadsPerGroup = kGroup / 4;
constexpr int kChunkGroups = 16;  // 18 KB, and 8 KB of a block's rows: the first-level cache
constexpr int kTurns = 4;         // tiles of sums

// Asks for the line at `p`. (GCC takes functions that only prefetch for ones without effects, and
// drops calls of them.)
[[gnu::always_inline]] inline void AskFor(const void* p) {
  asm volatile("prefetcht0 %0" : : "m"(*static_cast<const char*>(p)));
}

// Tiles 0 to 3: sums, in turn; 4, 6: activations of `rows` rows; 5, 7: weights. A product is of so
// many inputs.
void Configure(int rows, int inputs = kGroup) {
  simd::TileConfig config;
  for (int tile = 0; tile < kTurns; ++tile) {
    config.rows[tile] = static_cast<std::uint8_t>(rows);
    config.row_bytes[tile] = 64;
  }
  for (const int tile : {4, 6}) {
    config.rows[tile] = static_cast<std::uint8_t>(rows);
    config.row_bytes[tile] = static_cast<std::uint16_t>(inputs);
    config.rows[tile + 1] = static_cast<std::uint8_t>(inputs / 4);
    config.row_bytes[tile + 1] = 64;
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

// The sums of a block's rows and 16 outputs over the groups so far.
using Sums = float[kTileRows][kTileOutputs];
// The dots of a group, and of the one after it.
using Dots = std::int32_t[2][kTileRows][kTileOutputs];

// (A tile's number is written into the instruction: the compilers take nothing but a literal.)
template <int kTurn>
[[gnu::always_inline]] inline void Multiply(const std::int8_t* x, std::int64_t x_stride,
                                            const std::int8_t* w) {
  if constexpr (kTurn == 0) {
    _tile_zero(0);
    _tile_loadd(4, x, x_stride);
    _tile_loadd(5, w, 64);
    _tile_dpbssd(0, 4, 5);
  } else if constexpr (kTurn == 1) {
    _tile_zero(1);
    _tile_loadd(6, x, x_stride);
    _tile_loadd(7, w, 64);
    _tile_dpbssd(1, 6, 7);
  } else if constexpr (kTurn == 2) {
    _tile_zero(2);
    _tile_loadd(4, x, x_stride);
    _tile_loadd(5, w, 64);
    _tile_dpbssd(2, 4, 5);
  } else {
    _tile_zero(3);
    _tile_loadd(6, x, x_stride);
    _tile_loadd(7, w, 64);
    _tile_dpbssd(3, 6, 7);
  }
}

template <int kTile>
[[gnu::always_inline]] inline void StoreTile(std::int32_t (&dots)[kTileRows][kTileOutputs]) {
  if constexpr (kTile == 0) {
    _tile_stored(0, dots, 64);
  } else if constexpr (kTile == 1) {
    _tile_stored(1, dots, 64);
  } else if constexpr (kTile == 2) {
    _tile_stored(2, dots, 64);
  } else {
    _tile_stored(3, dots, 64);
  }
}
template <int kTurn>
[[gnu::always_inline]] inline void StoreDots(Dots& dots) {
  StoreTile<kTurn>(dots[kTurn % 2]);
}

// float(dots), exactly, as |dots| < 2^22: in two additions, which may go to either port.
__m512 ToFloats(__m512i dots) {
  const __m512 shift = _mm512_set1_ps(0x1.8p23f);
  return _mm512_sub_ps(_mm512_castsi512_ps(_mm512_add_epi32(dots, _mm512_castps_si512(shift))),
                       shift);
}

// A block: 16 rows, 16 outputs, a chunk's groups. Rows from `rows` on are not there: they are
// computed from whatever their scales are, and not stored in y.
struct Block {
  const std::int8_t* q;
  std::int64_t q_stride;  // bytes
  const float* scale;
  const std::int32_t* sum;
  std::int64_t scale_stride;  // and of sums
  const std::int8_t (*w)[kQuadsPerGroup * 64];
  const float (*w_scale)[kTileOutputs];
  Sums*
      sums;  // of the groups before, unless this is the `first` chunk; to here, or if `last`, to y
  float* y;
  std::int64_t y_stride;
  __mmask16 outputs;
  int rows;
  int groups;
  bool first;
  bool last;
  int fetch;                      // of weights to come: 0 the even groups, 1 the odd ones, -1 none
  const std::int8_t* fetch_rows;  // of 16 rows to come: half of their groups, for a chunk
};

// Adds group g to the sums y of a block, and has the two groups after it multiplied.
template <int kTurn, class Source>
[[gnu::always_inline]] inline void Step(const Block& block, const Source& source, int g, Dots& dots,
                                        __m512 (&y)[kTileRows]) {
  constexpr int kAfter = (kTurn + 1) % kTurns;
  constexpr int kLater = (kTurn + 2) % kTurns;
  if (g + 2 < block.groups) {
    Multiply<kLater>(block.q + (g + 2) * kGroup, block.q_stride, block.w[g + 2]);
  }
  StoreDots<kAfter>(dots);
  if (g % 2 == block.fetch) {
    source.Prefetch(g);
  }
  ASHLAR_UNROLL
  for (int line = 0; line < kChunkGroups * kGroup / 2; line += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(block.fetch_rows + g * block.q_stride + line),
                 _MM_HINT_T0);
  }
  const __m512 w_scale = _mm512_load_ps(block.w_scale[g]);
  const float* const x_scale = block.scale + g * block.scale_stride;
  const std::int32_t* const x_sum = block.sum + g * block.scale_stride;
  ASHLAR_UNROLL
  for (int r = 0; r < kTileRows; ++r) {
    const __m512 scale = _mm512_mul_ps(w_scale, _mm512_set1_ps(x_scale[r]));
    __m512 dot = ToFloats(_mm512_load_si512(dots[kTurn % 2][r]));
    if constexpr (Source::kHalf) {
      dot = _mm512_add_ps(dot, _mm512_set1_ps(0.5f * static_cast<float>(x_sum[r])));
    }
    y[r] = _mm512_fmadd_ps(dot, scale, y[r]);
  }
}

template <class Source>
[[gnu::noinline]] void Run(const Block& block, const Source& source) {
  alignas(64) Dots dots;
  __m512 y[kTileRows];
  ASHLAR_UNROLL
  for (int r = 0; r < kTileRows; ++r) {
    y[r] = block.first ? _mm512_setzero_ps() : _mm512_load_ps((*block.sums)[r]);
  }
  Multiply<0>(block.q, block.q_stride, block.w[0]);
  if (block.groups > 1) {
    Multiply<1>(block.q + kGroup, block.q_stride, block.w[1]);
  }
  StoreDots<0>(dots);
  for (int g = 0; g < block.groups; g += kTurns) {
    Step<0>(block, source, g, dots, y);
    if (g + 1 < block.groups) {
      Step<1>(block, source, g + 1, dots, y);
    }
    if (g + 2 < block.groups) {
      Step<2>(block, source, g + 2, dots, y);
    }
    if (g + 3 < block.groups) {
      Step<3>(block, source, g + 3, dots, y);
    }
  }
  ASHLAR_UNROLL
  for (int r = 0; r < kTileRows; ++r) {
    if (!block.last) {
      _mm512_store_ps((*block.sums)[r], y[r]);
    } else if (r < block.rows) {
      _mm512_mask_storeu_ps(block.y + r * block.y_stride, block.outputs, y[r]);
    }
  }
}

// Rows whose sums wait in a place of their own for the groups to come. (Rows of y may lie a
// multiple of 4 KB from each other, where the first-level cache has room for 12 of 16.)
constexpr std::int64_t kPanelRows = 256;

// At most kPanelRows rows.
template <class Source>
void PanelLinear(const LinearArgs& args) {
  const QuantizedRows& x = args.x_quantized;
  const std::int64_t groups = args.inputs / kGroup;
  const std::int64_t q_stride = x.stride_groups * kGroup;
  Chunk chunk;
  alignas(64) Sums sums[kPanelRows / kTileRows][2];
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
        const std::int8_t* const q = x.q + row * q_stride + g * kGroup;
        for (int half = 0; half < 2; ++half) {
          const std::int64_t output = n + half * kTileOutputs;
          const std::int64_t left = args.output_end - output;
          if (left <= 0) {
            break;
          }
          Run({.q = q,
               .q_stride = q_stride,
               .scale = x.scale + g * x.stride_rows + row,
               .sum = x.sum + g * x.stride_rows + row,
               .scale_stride = x.stride_rows,
               .w = chunk.q[half],
               .w_scale = chunk.scale[half],
               .sums = &sums[row / kTileRows][half],
               .y = args.y + row * args.y_stride + output,
               .y_stride = args.y_stride,
               .outputs = static_cast<__mmask16>(left < kTileOutputs ? (1u << left) - 1 : 0xffffu),
               .rows = rows,
               .groups = count,
               .first = g == 0,
               .last = g + kChunkGroups >= groups,
               .fetch = row == 0 ? half : -1,
               .fetch_rows = q + kTileRows * q_stride + half * kChunkGroups * kGroup / 2},
              source);
        }
      }
    }
    source.Finish();
  }
  _tile_release();
}

// run(panel) for panels of at most `most_rows` rows, alike.
template <class Run>
void ForEachPanel(const LinearArgs& args, std::int64_t most_rows, const Run& run) {
  const std::int64_t panels = (args.rows + most_rows - 1) / most_rows;
  const std::int64_t tiles = (args.rows + panels * kTileRows - 1) / (panels * kTileRows);
  const std::int64_t rows = tiles * kTileRows;
  for (std::int64_t row = 0; row < args.rows; row += rows) {
    LinearArgs panel = args;
    panel.rows = args.rows - row < rows ? args.rows - row : rows;
    panel.y += row * args.y_stride;
    panel.x_quantized.q += row * args.x_quantized.stride_groups * kGroup;
    panel.x_quantized.scale += row;
    panel.x_quantized.sum += row;
    run(panel);
  }
}

template <class Source>
void QuantizedLinear(const LinearArgs& args) {
  ForEachPanel(args, kPanelRows, PanelLinear<Source>);
}

}  // namespace
}  // namespace ashlar::amx
