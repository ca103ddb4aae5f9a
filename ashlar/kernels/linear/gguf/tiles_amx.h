// GGUF's tiles on AMX, for rows that fill its tiles. Included by *_amx.cc only.
//
// What is summed, and in which order, are those of groups_simd.h and blocks_simd.h, so a row's bits
// are those of the AVX-512 form, which takes the calls with few rows. How products, stores and sums
// overlap, and what bounds them, is in quantized_amx.h. What differs: codes are unpacked for all
// rows without their bias, a block's groups add up to sums of their own before the block's unit
// multiplies them, and where a span is 16 inputs, a group is two products, of half a tile each.
// Products go on from block to block, since to begin anew costs as much as one of a chunk's groups.
//
// Measured on a busy machine, one thread, 128 rows x 2048 x 1024, AVX-512 and this, GOP/s: IQ4_XS
// 470 and 890, Q5_0 500 and 860, Q4_1 460 and 740, Q3_K 345 and 620, Q4_K 400 and 590, Q6_K 325 and
// 540 to 585, Q5_K 400 and 580, Q2_K 320 and 355 (the sums of its rows' spans are a third of it);
// 16 rows: 1.3 to 1.5 times as fast, Q2_K level.
#pragma once

#include <immintrin.h>

#include "ashlar/kernels/linear/gguf/isa_avx512.h"
#include "ashlar/kernels/linear/quantized_amx.h"

namespace ashlar::amx {
namespace {

using avx512::Isa;

// A chunk of a band, unpacked. (`Chunk` of quantized_amx.h has the scales as its weights want
// them.)
template <class Type>
struct TileChunk {
  static constexpr int kUnits = kGroup / Type::kSpan;  // products of a group
  static constexpr bool kBlocks = Type::kColumns != kGroup;
  static constexpr bool kMinima = [] {
    if constexpr (kBlocks) {
      return Type::kMinima;
    }
    return false;
  }();
  static constexpr bool kOffsets = [] {
    if constexpr (!kBlocks) {
      return Type::kOffsets;
    }
    return false;
  }();

  // [half of the outputs][group][quad, output, 4 inputs]
  alignas(64) std::int8_t codes[2][internal::kChunkGroups][kQuadsPerGroup * 64];
  typename Type::Scales scales;
  // Of blocks, the scales and minima of spans as numbers.
  using Numbers = float[kBlocks ? internal::kChunkGroups : 1][kUnits][2 * kTileOutputs];
  alignas(64) Numbers numbers;
  alignas(64) Numbers minima;

  void Unpack(const internal::TileChunkPlace& place) {
    internal::ForTileGroups<Isa, Type>(
        place, scales, [&](const std::byte* tile, int turn, auto phase, int g) {
          const __m512i bias = _mm512_set1_epi8(static_cast<char>(Isa::BiasOf<Type>()));
          for (int quad = 0; quad < kQuadsPerGroup; ++quad) {
            for (int half = 0; half < 2; ++half) {
              const __m512i biased = Type::template Codes<Isa, decltype(phase)::value>(
                  tile, turn, quad, half * kTileOutputs);
              _mm512_store_si512(codes[half][g] + 64 * quad, _mm512_sub_epi8(biased, bias));
            }
          }
        });
    if constexpr (kBlocks) {
      Take(scales.scale, numbers);
      if constexpr (Type::kMinima) {
        Take(scales.minimum, minima);
      }
    }
    simd::StoresBeforeTiles();
  }

  // The bytes of all spans.
  static void Take(const std::uint8_t (&bytes)[4][4 * internal::kTileRows], Numbers& out) {
    for (int span = 0; span < internal::kChunkGroups * kUnits; ++span) {
      for (int o = 0; o < 2 * kTileOutputs; o += kTileOutputs) {
        Isa::ScaleNumbers<Type>(bytes[span / 4] + 4 * o, span % 4)
            .Store(out[span / kUnits][span % kUnits] + o);
      }
    }
  }
};

// The dots of two groups in turn.
template <int kUnits>
using DotsOfGroups = std::int32_t[2][kUnits][kTileRows][kTileOutputs];

// What is multiplied: rows, and a half of a chunk, from their first group on.
struct ChunkOperands {
  const std::int8_t* q;
  const std::int8_t (*w)[kQuadsPerGroup * 64];
};

// What the rows' sums come to: of blocks those of each span; of groups with offsets that of the
// group by its scale.
template <class Type>
using RowSums = float[internal::kChunkGroups][TileChunk<Type>::kUnits][kTileRows];

// A block: one half of a band's outputs, at most 16 rows, a chunk.
template <class Type>
struct ChunkBlock {
  ChunkOperands own;
  ChunkOperands after;     // multiplied in the last steps already, if there is one: else null
  const std::int8_t* ask;  // 16 rows to come, of which this block asks for half a chunk
  std::int64_t q_stride;   // bytes
  const float* x_scale;
  std::int64_t scale_stride;
  const RowSums<Type>* row_sums;
  const TileChunk<Type>* chunk;
  int output;  // the half's first in the band
  int groups;
  Sums* sums;  // of the groups before; and to here
};

// Groups take the tiles in turn: of one product each all four, else two and two.
template <class Type, int kTurn>
[[gnu::always_inline]] inline void MultiplyGroup(const ChunkOperands& operands,
                                                 std::int64_t q_stride, int g) {
  const std::int8_t* const q = operands.q + g * kGroup;
  const std::int8_t* const w = operands.w[g];
  if constexpr (TileChunk<Type>::kUnits == 1) {
    Multiply<kTurn>(q, q_stride, w);
  } else {
    constexpr int kTile = kTurn % 2 * 2;
    Multiply<kTile>(q, q_stride, w);
    Multiply<kTile + 1>(q + Type::kSpan, q_stride, w + Type::kSpan / 4 * 64);
  }
}
template <int kTurn, int kUnits>
[[gnu::always_inline]] inline void StoreGroup(DotsOfGroups<kUnits>& dots) {
  if constexpr (kUnits == 1) {
    StoreTile<kTurn>(dots[kTurn % 2][0]);
  } else {
    constexpr int kTile = kTurn % 2 * 2;
    StoreTile<kTile>(dots[kTurn % 2][0]);
    StoreTile<kTile + 1>(dots[kTurn % 2][1]);
  }
}

// Adds group g to y, and has the two groups after it multiplied.
template <class Type, int kTurn>
[[gnu::always_inline]] inline void AddGroup(const ChunkBlock<Type>& block, int g,
                                            DotsOfGroups<TileChunk<Type>::kUnits>& dots,
                                            __m512 (&y)[kTileRows]) {
  constexpr int kUnits = TileChunk<Type>::kUnits;
  if (g + 2 < block.groups) {
    MultiplyGroup<Type, (kTurn + 2) % 4>(block.own, block.q_stride, g + 2);
  } else if (block.after.q != nullptr) {
    MultiplyGroup<Type, (kTurn + 2) % 4>(block.after, block.q_stride, g + 2 - block.groups);
  }
  StoreGroup<(kTurn + 1) % 4, kUnits>(dots);
  ASHLAR_UNROLL
  for (int line = 0; line < 4; ++line) {
    AskFor(block.ask + (2 * g + line / 2) * block.q_stride + line % 2 * 64);
  }
  const auto& stored = dots[kTurn % 2];
  const float* const x_scale = block.x_scale + g * block.scale_stride;
  if constexpr (TileChunk<Type>::kBlocks) {
    __m512 numbers[kUnits];
    ASHLAR_UNROLL
    for (int unit = 0; unit < kUnits; ++unit) {
      numbers[unit] = _mm512_load_ps(block.chunk->numbers[g][unit] + block.output);
    }
    ASHLAR_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      __m512 sum = _mm512_mul_ps(ToFloats(_mm512_load_si512(stored[0][r])), numbers[0]);
      if constexpr (kUnits == 2) {
        sum = _mm512_fmadd_ps(ToFloats(_mm512_load_si512(stored[1][r])), numbers[1], sum);
      }
      y[r] = _mm512_fmadd_ps(sum, _mm512_set1_ps(x_scale[r]), y[r]);
    }
  } else {
    const __m512 scale = _mm512_load_ps(block.chunk->scales.scale[g] + block.output);
    ASHLAR_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(x_scale[r]));
      y[r] = _mm512_fmadd_ps(ToFloats(_mm512_load_si512(stored[0][r])), both, y[r]);
      if constexpr (Type::kOffsets) {
        y[r] = _mm512_fmadd_ps(_mm512_load_ps(block.chunk->scales.offset[g] + block.output),
                               _mm512_set1_ps((*block.row_sums)[g][0][r]), y[r]);
      }
    }
  }
}

// sums + unit codes - least minima
template <class Type>
void AddCodesOfBlock(const ChunkBlock<Type>& block, const __m512 (&codes)[kTileRows]) {
  const internal::BlockScales& scales = block.chunk->scales;
  const __m512 unit = _mm512_load_ps(scales.unit + block.output);
  float(*const sums)[kTileOutputs] = *block.sums;
  ASHLAR_UNROLL
  for (int r = 0; r < kTileRows; ++r) {
    _mm512_store_ps(sums[r], _mm512_fmadd_ps(unit, codes[r], _mm512_load_ps(sums[r])));
  }
  if constexpr (Type::kMinima) {
    constexpr int kUnits = TileChunk<Type>::kUnits;
    __m512 minima[kTileRows];
    ASHLAR_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      minima[r] = _mm512_setzero_ps();
    }
    for (int g = 0; g < internal::kChunkGroups; ++g) {
      // (Products of whole numbers and their sum are exact.)
      __m512 minimum[kUnits];
      ASHLAR_UNROLL
      for (int unit = 0; unit < kUnits; ++unit) {
        minimum[unit] = _mm512_load_ps(block.chunk->minima[g][unit] + block.output);
      }
      const auto& row_sums = (*block.row_sums)[g];
      ASHLAR_UNROLL
      for (int r = 0; r < kTileRows; ++r) {
        __m512 sum = _mm512_mul_ps(minimum[0], _mm512_set1_ps(row_sums[0][r]));
        if constexpr (kUnits == 2) {
          sum = _mm512_fmadd_ps(minimum[1], _mm512_set1_ps(row_sums[1][r]), sum);
        }
        minima[r] = _mm512_fmadd_ps(sum, _mm512_set1_ps(block.x_scale[g * block.scale_stride + r]),
                                    minima[r]);
      }
    }
    const __m512 minus_least = _mm512_load_ps(scales.minus_least + block.output);
    ASHLAR_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      _mm512_store_ps(sums[r], _mm512_fmadd_ps(minus_least, minima[r], _mm512_load_ps(sums[r])));
    }
  }
}

// (If `begun`, its first two products are, and the first one's dots stored.)
template <class Type>
[[gnu::noinline]] void RunBlock(const ChunkBlock<Type>& block, bool begun,
                                DotsOfGroups<TileChunk<Type>::kUnits>& dots) {
  constexpr bool kBlocks = TileChunk<Type>::kBlocks;
  __m512 y[kTileRows];
  ASHLAR_UNROLL
  for (int r = 0; r < kTileRows; ++r) {
    y[r] = kBlocks ? _mm512_setzero_ps() : _mm512_load_ps((*block.sums)[r]);
  }
  if (!begun) {
    MultiplyGroup<Type, 0>(block.own, block.q_stride, 0);
    if (block.groups > 1) {
      MultiplyGroup<Type, 1>(block.own, block.q_stride, 1);
    }
    StoreGroup<0, TileChunk<Type>::kUnits>(dots);
  }
  for (int g = 0; g < block.groups; g += 4) {
    AddGroup<Type, 0>(block, g, dots, y);
    if (g + 1 < block.groups) {
      AddGroup<Type, 1>(block, g + 1, dots, y);
    }
    if (g + 2 < block.groups) {
      AddGroup<Type, 2>(block, g + 2, dots, y);
    }
    if (g + 3 < block.groups) {
      AddGroup<Type, 3>(block, g + 3, dots, y);
    }
  }
  if constexpr (kBlocks) {
    AddCodesOfBlock(block, y);
  } else {
    ASHLAR_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      _mm512_store_ps((*block.sums)[r], y[r]);
    }
  }
}

// At most kPanelRows rows, in tiles that are alike: the last may have rows of the one before.
template <class Type>
class PanelOfTiles {
 public:
  explicit PanelOfTiles(const LinearArgs& args)
      : args_(args),
        tiles_((args.rows + kTileRows - 1) / kTileRows),
        rows_((args.rows + tiles_ - 1) / tiles_),
        q_stride_(args.x_quantized.stride_groups * kGroup) {}

  void Run() {
    Configure(static_cast<int>(rows_), Type::kSpan);
    const std::int64_t groups = args_.inputs / kGroup;
    for (std::int64_t n = args_.output_begin; n < args_.output_end; n += 2 * kTileOutputs) {
      __builtin_memset(sums_, 0, static_cast<std::size_t>(tiles_) * sizeof sums_[0]);
      for (std::int64_t g = 0; g < groups; g += internal::kChunkGroups) {
        AddChunk({.tiles = args_.weights +
                           static_cast<std::uint64_t>(n / internal::kTileRows) * args_.band_stride +
                           g / kTileGroups * Type::kTileBytes,
                  .groups = static_cast<int>(
                      groups - g < internal::kChunkGroups ? groups - g : internal::kChunkGroups),
                  .group = g,
                  .output = n});
      }
      for (std::int64_t tile = 0; tile < tiles_; ++tile) {
        Write(tile, n);
      }
    }
    _tile_release();
  }

 private:
  static constexpr int kTileGroups = Type::kColumns / kGroup;
  static constexpr std::int64_t kChunkBytes =
      Type::kTileBytes * (internal::kChunkGroups / kTileGroups);

  std::int64_t RowOf(std::int64_t tile) const {
    return tile * rows_ < args_.rows - rows_ ? tile * rows_ : args_.rows - rows_;
  }

  void AddChunk(const internal::TileChunkPlace& place) {
    chunk_.Unpack(place);
    const QuantizedRows& x = args_.x_quantized;
    const std::int64_t blocks = 2 * tiles_;
    const auto operands = [&](std::int64_t block) -> ChunkOperands {
      return {x.q + RowOf(block / 2) * q_stride_ + place.group * kGroup, chunk_.codes[block % 2]};
    };
    // Products go on from block to block where the tiles' turns do.
    const bool go_on = place.groups % 4 == 0;
    for (std::int64_t i = 0; i < blocks; ++i) {
      const std::int64_t tile = i / 2;
      const std::int64_t row = RowOf(tile);
      if (i % 2 == 0) {
        SumRows(place, row);
      }
      const std::int8_t* const next_rows =
          x.q + RowOf(tile + 1 < tiles_ ? tile + 1 : tile) * q_stride_ + place.group * kGroup;
      RunBlock<Type>({.own = operands(i),
                      .after = go_on && i + 1 < blocks ? operands(i + 1) : ChunkOperands{},
                      .ask = next_rows + i % 2 * 128,
                      .q_stride = q_stride_,
                      .x_scale = x.scale + place.group * x.stride_rows + row,
                      .scale_stride = x.stride_rows,
                      .row_sums = &row_sums_,
                      .chunk = &chunk_,
                      .output = static_cast<int>(i % 2) * kTileOutputs,
                      .groups = place.groups,
                      .sums = &sums_[tile][i % 2]},
                     go_on && i > 0, dots_);
    }
    for (int g = 0; g < internal::kChunkGroups; ++g) {
      internal::PrefetchShare<Isa, Type, true>(
          place.tiles + kChunkBytes + g / kTileGroups * Type::kTileBytes, g % kTileGroups);
    }
  }

  // Of a tile's rows from `row` on. (Those that are not there may be read.)
  void SumRows(const internal::TileChunkPlace& place, std::int64_t row) {
    constexpr bool kBlocks = TileChunk<Type>::kBlocks;
    if constexpr (kBlocks ? TileChunk<Type>::kMinima : TileChunk<Type>::kOffsets) {
      const QuantizedRows& x = args_.x_quantized;
      for (int g = 0; g < place.groups; ++g) {
        const std::int64_t at = (place.group + g) * x.stride_rows + row;
        __m512 sums = _mm512_cvtepi32_ps(_mm512_loadu_si512(x.sum + at));
        if constexpr (!kBlocks) {
          sums = _mm512_mul_ps(_mm512_loadu_ps(x.scale + at), sums);
        } else if constexpr (TileChunk<Type>::kUnits == 2) {
          for (std::int64_t r = 0; r < rows_; ++r) {
            row_sums_[g][1][r] = static_cast<float>(
                Isa::SumOf16(x.q + (row + r) * q_stride_ + (place.group + g) * kGroup + 16));
          }
          sums = _mm512_sub_ps(sums, _mm512_load_ps(row_sums_[g][1]));
        }
        _mm512_store_ps(row_sums_[g][0], sums);
      }
    }
  }

  void Write(std::int64_t tile, std::int64_t n) const {
    for (int half = 0; half < 2; ++half) {
      const std::int64_t left = args_.output_end - n - half * kTileOutputs;
      const auto outputs = static_cast<__mmask16>(left >= kTileOutputs ? 0xffffu
                                                  : left > 0           ? (1u << left) - 1
                                                                       : 0u);
      float* y = args_.y + RowOf(tile) * args_.y_stride + n + half * kTileOutputs;
      for (std::int64_t r = 0; r < rows_; ++r, y += args_.y_stride) {
        _mm512_mask_storeu_ps(y, outputs, _mm512_load_ps(sums_[tile][half][r]));
      }
    }
  }

  const LinearArgs& args_;
  const std::int64_t tiles_;
  const std::int64_t rows_;  // of a tile
  const std::int64_t q_stride_;
  TileChunk<Type> chunk_;
  alignas(64) RowSums<Type> row_sums_ = {};
  alignas(64) DotsOfGroups<TileChunk<Type>::kUnits> dots_ = {};  // of missing rows too
  alignas(64) Sums sums_[kPanelRows / kTileRows][2];
};

}  // namespace

template <const BlockType& kType>
void LinearTiles(const LinearArgs& args) noexcept {
  if (args.rows < kLeastRows) {
    return avx512::LinearTiles<kType>(args);
  }
  ForEachPanel(args, kPanelRows, [](const LinearArgs& panel) {
    PanelOfTiles<internal::TilesOf<kType>>(panel).Run();
  });
}

}  // namespace ashlar::amx
