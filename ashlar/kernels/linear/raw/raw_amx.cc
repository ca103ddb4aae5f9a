// bf16 weights on AMX: f32 products from products of bf16 in tiles.
//
// A number of x is the sum of three bf16 (split_rows.h), so w x is the sum of three products of
// bf16, each of them exact in f32: y has the error of a sum in f32, with nothing rounded before it.
// (oneDNN and MKL call it bf16x3. There, both factors are split and the smallest products dropped;
// here w has one part, and nothing is.)
//
// Order of the sum: blocks of 32 inputs from the first to the last, of a block the first parts of
// x, the second, the third. TDPBF16PS sums the products of even inputs and those of odd ones, by
// fma from the first to the last, adds the two, and adds that to the sum so far. A tile's numbers
// do not depend on their neighbours, so neither does a row's result on rows, outputs or tile.
//
// Bound. A product goes through at most 16 roundings in its block, one of the two sums and one for
// each part of each block, 17 + 3 ceil(K / 32); parts have the sign of x, so that their magnitudes
// add up to its own: |error| <= (K + 3) 2^-24 sum |w x|, as of the other forms. But tiles read
// denormal numbers as zeros and flush denormal results, MXCSR or not: what is below 2^-126 of w, of
// a part of x or of a sum is lost, at most 2^-126 (|x| + 2 |w| + 3) for each product. An infinite
// weight gives a NaN where a part of x is zero, even if w x is infinite.
//
// Weights are read in place: 16 outputs of 32 inputs are a tile's rows as they are stored. What a
// tile product takes is 16 cycles: 48 for 1 KB of weights and 16 rows, some 80 GB/s, so up to 16
// rows (and up to 64 in theory) wait for memory.
//
// Up to 16 rows, Column: 32 outputs, 2 sums, 2 weights and 3 parts are 7 of 8 tiles. Weights are
// asked for 16 blocks ahead, 4 blocks of 64 bytes of a row at a time; in the order in which they
// are used, a line of each of 32 rows, they came at half the speed. Of 16 lines that are a multiple
// of 4 KB apart the first-level cache can hold 12, so they are asked for in the second-level one.
//
// More rows, Square: 32 outputs x 32 rows, 4 sums, 2 weights and the same part of 2 tiles of rows
// are 8 tiles: 8 loads for 12 products. Rows stay in the second-level cache, kRowBytes of them,
// while a panel of outputs goes by; then come the next inputs, and the sums wait in 256 KB on the
// stack. To ask for the next weights bit by bit, as they are multiplied, matters: in a burst they
// keep tiles from loading.
//
// Measured on a Sapphire Rapids or later whose two cores were busy, one thread, in turn with the
// AVX-512 form, least of many calls: 1 row x 2048 x 8192 from memory 16.2 GB/s and 16.2; 16 rows
// 230 to 240 GFLOP/s (memory's speed) and 110; 32 rows 375 and 120; 128 rows 340 to 500 and 110 to
// 145. The products alone reach 1,250, 12 of them with their 8 loads the same from the first-level
// cache and 965 from the second-level one. The rest of the time goes to what comes from the third
// level: weights, and at 128 rows x 8192 inputs rows as well, 6 MB for each call's outputs. Not
// kept: weights copied to whole tiles first (the copy costs what strided loads do), rows in the
// first-level cache while fewer inputs go by (sums go to and fro), four tiles of outputs for one of
// rows (64 rows of weights at a time come slower from memory).
#include <cstddef>
#include <cstdint>

#include <immintrin.h>

#include "ashlar/kernels/linear/raw/raw_forms.h"
#include "ashlar/kernels/simd/amx.h"
#include "ashlar/kernels/simd/transpose16.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::amx {
namespace {

constexpr int kTile = 16;  // outputs of a tile of weights, pairs of inputs of one of rows
constexpr int kTileBytes = 1024;
constexpr int kBlockBytes = 2 * kSplitInputs;  // of an output's weights
constexpr int kPairOutputs = 2 * kTile;
constexpr int kRowTiles = 16;              // that a panel of outputs goes by, at most
constexpr int kSumTiles = 16 * kRowTiles;  // of a panel
constexpr int kMostPanelTiles = 64;        // of outputs
constexpr int kRowBytes = 1 << 20;
constexpr int kWindow = 4;  // blocks of an output that are asked for together
constexpr int kAhead = 16;  // blocks

using Sums = float[kTile * kTile];  // [outputs, rows]

template <class T>
T Min(T a, T b) {
  return a < b ? a : b;
}

__mmask16 First(std::int64_t n) {
  return static_cast<__mmask16>(n >= 16 ? 0xffff : (1 << n) - 1);
}

// Weights to come, which are asked for while others are multiplied.
struct Fetch {
  const std::byte* at;
  std::int64_t blocks;     // from there
  const std::byte* after;  // where it goes on after them
  std::int64_t stride;
  // Calls share the work, and this one asks for so many outputs at a block, from the first of its
  // turn on; 0: for none.
  int outputs;
  int first_output;

  [[gnu::always_inline]] void At(int block) const {  // (a call costs a tenth of one row's speed)
    if (outputs == 0) {
      return;
    }
    const std::int64_t first = block / kWindow * kWindow;
    const std::byte* const window =
        first < blocks ? at + first * kBlockBytes : after + (first - blocks) * kBlockBytes;
    const std::byte* p = window + (first_output + block % kWindow * outputs) * stride;
    for (int n = 0; n < outputs; ++n, p += stride) {
      ASHLAR_UNROLL
      for (int line = 0; line < kWindow; ++line) {
        _mm_prefetch(reinterpret_cast<const char*>(p + line * kBlockBytes), _MM_HINT_T1);
      }
    }
  }
};

// 16 or 32 outputs and a tile of rows, or 32 and two of them, over some blocks.
struct Product {
  const std::byte* weights;
  std::int64_t stride;
  const std::byte* rows;
  std::int64_t next_rows;  // bytes to the second tile
  std::int64_t line;       // bytes of a pair
  int blocks;
  bool first;       // begins the sums
  Sums* sums;       // of the two tiles of outputs
  Sums* next_sums;  // of the second tile of rows
  Fetch fetch;
};

[[gnu::noinline]] void Square(const Product& p) {
  if (p.first) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, p.sums[0], 64);
    _tile_loadd(1, p.sums[1], 64);
    _tile_loadd(2, p.next_sums[0], 64);
    _tile_loadd(3, p.next_sums[1], 64);
  }
  const std::byte* w = p.weights;
  const std::byte* x = p.rows;
  for (int block = 0; block < p.blocks; ++block, w += kBlockBytes) {
    _tile_loadd(4, w, p.stride);
    _tile_loadd(5, w + kTile * p.stride, p.stride);
    ASHLAR_UNROLL
    for (int part = 0; part < kSplitParts; ++part, x += kTileBytes) {
      _tile_loadd(6, x, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 5, 6);
      _tile_loadd(7, x + p.next_rows, 64);
      _tile_dpbf16ps(2, 4, 7);
      _tile_dpbf16ps(3, 5, 7);
    }
    p.fetch.At(block);
  }
  _tile_stored(0, p.sums[0], 64);
  _tile_stored(1, p.sums[1], 64);
  _tile_stored(2, p.next_sums[0], 64);
  _tile_stored(3, p.next_sums[1], 64);
}

[[gnu::noinline]] void Column(const Product& p, bool pair) {
  const std::int64_t line = p.line;
  if (p.first) {
    _tile_zero(0);
    _tile_zero(1);
  } else {
    _tile_loadd(0, p.sums[0], line);
    _tile_loadd(1, p.sums[1], line);
  }
  const std::byte* w = p.weights;
  const std::byte* x = p.rows;
  for (int block = 0; block < p.blocks; ++block, w += kBlockBytes) {
    _tile_loadd(5, x, line);
    _tile_loadd(6, x + kTile * line, line);
    _tile_loadd(7, x + 2 * kTile * line, line);
    x += kSplitParts * kTile * line;
    _tile_loadd(4, w, p.stride);
    _tile_dpbf16ps(0, 4, 5);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(0, 4, 7);
    if (pair) {
      _tile_loadd(3, w + kTile * p.stride, p.stride);
      _tile_dpbf16ps(1, 3, 5);
      _tile_dpbf16ps(1, 3, 6);
      _tile_dpbf16ps(1, 3, 7);
    }
    p.fetch.At(block);
  }
  _tile_stored(0, p.sums[0], line);
  _tile_stored(1, p.sums[1], line);
}

// Rows [begin, end) of a tile's `tile_rows` to y.
void Write(const Sums& sums, std::int64_t tile_rows, std::int64_t begin, std::int64_t end,
           __mmask16 outputs, float* y, std::int64_t y_stride) {
  if (tile_rows == 1) {
    _mm512_mask_storeu_ps(y, outputs, _mm512_load_ps(sums));
    return;
  }
  __m512i v[kTile];
  ASHLAR_UNROLL
  for (int n = 0; n < kTile; ++n) {
    v[n] = _mm512_loadu_si512(sums + n * tile_rows);
  }
  simd::Transpose16(v);
  for (std::int64_t r = begin; r < end; ++r) {
    _mm512_mask_storeu_epi32(y + (r - begin) * y_stride, outputs, v[r]);
  }
}

// The inputs of a last block that is not whole, and zeros.
struct LastBlock {
  alignas(64) std::byte weights[kPairOutputs][kBlockBytes];

  void Copy(const std::byte* from, std::int64_t stride, int outputs, std::int64_t inputs) {
    const __mmask32 there = (__mmask32{1} << inputs) - 1;
    for (int n = 0; n < outputs; ++n) {
      _mm512_store_si512(weights[n], _mm512_maskz_loadu_epi16(there, from + n * stride));
    }
    simd::StoresBeforeTiles();
  }
};

class BF16Product {
 public:
  explicit BF16Product(const LinearArgs& args)
      : args_(args),
        x_(args.x_split),
        line_(4 * x_.tile_rows),
        rows_block_(kSplitParts * kTile * line_),
        stride_(static_cast<std::int64_t>(args.band_stride)),
        whole_blocks_(args.inputs / kSplitInputs) {}

  void Run() {
    if (args_.rows == 0) {
      return;
    }
    const std::int64_t begin = x_.first / x_.tile_rows;
    const std::int64_t end = (x_.first + args_.rows - 1) / x_.tile_rows + 1;
    const std::int64_t most = Min<std::int64_t>(end - begin, kRowTiles);
    panel_tiles_ = Min(kMostPanelTiles, kSumTiles / static_cast<int>(most)) / 2 * 2;
    const std::int64_t panel = panel_tiles_ * kTile;
    for (std::int64_t n = args_.output_begin; n < args_.output_end; n += panel) {
      for (std::int64_t tile = begin; tile < end; tile += most) {
        Panel(n, Min(args_.output_end, n + panel), tile, static_cast<int>(Min(end - tile, most)));
      }
    }
    _tile_release();
  }

 private:
  const std::byte* Weights(std::int64_t output, std::int64_t block) const {
    return args_.weights + output * stride_ + block * kBlockBytes;
  }

  // Outputs [begin, end), tiles of rows [row_tile, row_tile + row_tiles).
  void Panel(std::int64_t begin, std::int64_t end, std::int64_t row_tile, int row_tiles) {
    const std::int64_t most =
        row_tiles == 1 ? whole_blocks_ : kRowBytes / (row_tiles * kSplitParts * kTileBytes);
    for (std::int64_t block = 0; block * kSplitInputs < args_.inputs;) {
      const std::int64_t blocks =
          block < whole_blocks_ ? Min(most, whole_blocks_ - block) : std::int64_t{1};
      const std::int64_t next = block + blocks;
      const bool last = next * kSplitInputs >= args_.inputs;
      for (std::int64_t n = begin; n < end; n += kPairOutputs) {
        // What comes after this: nothing that this call reads, at its end.
        const std::byte* const after = n + kPairOutputs < end   ? Weights(n + kPairOutputs, block)
                                       : !last                  ? Weights(begin, next)
                                       : end < args_.output_end ? Weights(end, 0)
                                                                : nullptr;
        Pair(n, Min(end - n, std::int64_t{kPairOutputs}), block, static_cast<int>(blocks), row_tile,
             row_tiles, sums_ + (n - begin) / kTile, after);
        if (last) {
          for (int t = 0; t < row_tiles; ++t) {
            WriteTile(sums_ + t * panel_tiles_ + (n - begin) / kTile, row_tile + t, n,
                      Min(end - n, std::int64_t{kPairOutputs}));
          }
        }
      }
      block = next;
    }
  }

  // Up to 32 outputs from n on over `blocks` blocks, or the last one.
  void Pair(std::int64_t n, std::int64_t outputs, std::int64_t block, int blocks,
            std::int64_t row_tile, int row_tiles, Sums* sums, const std::byte* after) {
    const std::byte* const stored = Weights(n, block);
    const std::int64_t tile_bytes = x_.blocks * rows_block_;
    Product product = {.weights = stored,
                       .stride = stride_,
                       .rows = reinterpret_cast<const std::byte*>(x_.pairs) +
                               row_tile * tile_bytes + block * rows_block_,
                       .next_rows = tile_bytes,
                       .line = line_,
                       .blocks = blocks,
                       .first = block == 0,
                       .sums = sums,
                       .next_sums = sums + panel_tiles_,
                       .fetch = {.at = after,
                                 .blocks = blocks,
                                 .after = after,
                                 .stride = stride_,
                                 .outputs = 0,
                                 .first_output = 0}};
    const int turns = (row_tiles + 1) / 2;
    if (after != nullptr) {
      // (Rounded up: a few more outputs than there are.)
      product.fetch.outputs = (kPairOutputs / kWindow + turns - 1) / turns;
    }
    if (row_tiles == 1 && blocks > kAhead) {
      product.fetch.at = stored + kAhead * kBlockBytes;
      product.fetch.blocks = blocks - kAhead;
      product.fetch.outputs = kPairOutputs / kWindow;
      if (after == nullptr) {
        product.fetch.after = stored;
      }
    }
    if (block == whole_blocks_) {
      last_.Copy(stored, stride_, static_cast<int>(outputs), args_.inputs % kSplitInputs);
      product.weights = last_.weights[0];
      product.stride = kBlockBytes;
    }
    Configure(static_cast<int>(outputs));
    for (int t = 0; t < row_tiles;) {
      product.fetch.first_output = t / 2 * kWindow * product.fetch.outputs;
      const int tiles = outputs == kPairOutputs && t + 2 <= row_tiles ? 2 : 1;
      if (tiles == 2) {
        Square(product);
      } else {
        Column(product, outputs > kTile);
      }
      product.rows += tiles * tile_bytes;
      product.sums += tiles * panel_tiles_;
      product.next_sums += tiles * panel_tiles_;
      t += tiles;
    }
  }

  void WriteTile(const Sums* sums, std::int64_t row_tile, std::int64_t n,
                 std::int64_t outputs) const {
    // (A view's first tile begins with rows of others.)
    const std::int64_t first = row_tile * x_.tile_rows - x_.first;
    const std::int64_t begin = first < 0 ? -first : 0;
    const std::int64_t end = Min(args_.rows - first, x_.tile_rows);
    float* const y = args_.y + (first + begin) * args_.y_stride + n;
    for (int tile = 0; tile * kTile < outputs; ++tile) {
      Write(sums[tile], x_.tile_rows, begin, end, First(outputs - tile * kTile), y + tile * kTile,
            args_.y_stride);
    }
  }

  // Tiles 0 to 3: sums; 4 and 5, or 4 and 3: weights; 6 and 7, or 5 to 7: rows. When there are 32
  // outputs and 16 rows they are all alike; else only Column runs.
  void Configure(int outputs) {
    if (outputs == configured_) {
      return;
    }
    configured_ = outputs;
    const int first = Min(outputs, kTile);
    const int second = outputs > kTile ? outputs - kTile : kTile;
    const auto row_bytes = static_cast<std::uint16_t>(line_);
    simd::TileConfig config;
    for (int tile = 0; tile < 8; ++tile) {
      config.rows[tile] = kTile;
      config.row_bytes[tile] = row_bytes;
    }
    config.rows[0] = config.rows[4] = static_cast<std::uint8_t>(first);
    config.rows[1] = config.rows[3] = static_cast<std::uint8_t>(second);
    config.row_bytes[3] = config.row_bytes[4] = kBlockBytes;
    simd::Configure(config);
  }

  const LinearArgs& args_;
  const SplitRows& x_;
  const std::int64_t line_;        // bytes of a pair
  const std::int64_t rows_block_;  // bytes of a tile of rows
  const std::int64_t stride_;      // bytes
  const std::int64_t whole_blocks_;
  int panel_tiles_ = 0;
  int configured_ = 0;  // for so many outputs
  LastBlock last_;
  alignas(64) Sums sums_[kSumTiles];  // [tiles of rows, panel_tiles_]
};

}  // namespace

void LinearBF16(const LinearArgs& args) noexcept {
  BF16Product(args).Run();
}

}  // namespace ashlar::amx
