// Packed tiles on AMX, from memory: while a part of a band is multiplied, the next is unpacked and
// later ones are asked for.
// Included by *_amx.cc only. For inputs in whole parts of 128; others go to quantized_amx.h, which
// has the sum, its order and what a tile's product costs.
//
// Why. Few rows should take as long as their weights take from memory, or as their products, and
// not both: unpacked before they were multiplied, with memory asked in bursts, they took both. A
// core reads 16 GB/s here, or 64 bytes in 16 cycles. It can wait for 16 lines at once, some 100 ns
// each, so that much only comes with the help of the second-level cache's prefetcher; which follows
// many streams, but each for some lines ahead and to the end of 4 KB. Hence, measured with 576
// bytes for 100 cycles of vpdpbusd (whose own pace is 18.8 GB/s), 2 threads:
//   lines asked for 4 KB ahead, those of a tile in a burst             7.2 GB/s
//   spread evenly over the instructions that compute                  10.2
//   the same in two streams, to the first-level cache                 13.1 to 13.6
// And by the kernel below, all matrices of a network of a billion weights at 4 bits, 8 rows: one
// band at a time 32.6 ms, two side by side 26.3, four 23.6; without asking 38. To which cache the
// lines come makes no difference, nor whether 1 or 2 parts earlier; 4 parts cost 5 %.
//
// So: bands are walked four side by side, a part (4 groups) of each in turn. In a part's 8 steps
// (one group, 16 outputs) the next part is unpacked, a half of a group in a step, and a quarter of
// each of four later parts is asked for. A step's products are begun two steps before, across parts
// too, since to begin anew costs some 100 cycles. All is unrolled: in a loop, counting and
// addressing were as many instructions as computing, and 16 rows took 25 ns a step for 17.
//
// A step with everything in the first-level cache, in ns, of 16 rows and of 8: 13.6 and 9.1; with
// unpacking and asking 16.6 and 11.7. From memory, that network's matrices with 2 threads on a busy
// machine, by the forms that these rows took before and by this one, in turn, ms of each thread's
// time: 5 rows 37.6 and 23.1, 8 37.8 and 24.6, 16 45.4 and 29.6, 24 72.5 and 45.7, 32 70.5 and 51.5
// (of which memory alone 19.8); at 8 bits 57.5 and 41.3, 65.5 and 42.2, 71.1 and 45.1, 32 rows
// 100.5 and 63.0 (memory alone 34.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <immintrin.h>

#include "ashlar/kernels/linear/quantized_amx.h"

namespace ashlar::amx {
namespace {

// Fewer rows are taken faster by vpdpbusd, with bands side by side as well (quantized_simd.h).
constexpr std::int64_t kLeastRowsOfParts = 5;
// As many rows as wait for memory more than for products.
constexpr std::int64_t kMostFewRows = 2 * kTileRows;

// More rows go in panels of so many: their sums and their share of a part's inputs, 8 KB each, stay
// in the first-level cache beside two parts; weights come from the second-level cache again.
// (512 rows of a layer at 4 bits, in turn: panels of 32 rows 49.0 ms, 64 48.1, 96 53.8, 128 55.6;
// by quantized_amx.h 57.7. 128 rows: 12.9, 12.4, 12.4, 13.6; 15.0.)
constexpr std::int64_t kPanelRowsOfParts = 64;

constexpr int kPartGroups = kTurns;
constexpr int kSteps = 2 * kPartGroups;
constexpr int kBandsAtOnce = 4;    // of few rows; others take one
constexpr int kPartsAhead = 2;     // asked for besides those of the bands at once
constexpr int kPartsAskedFor = 4;  // in the steps of a part, of each a quarter

// Some groups of a band, unpacked.
struct Part {
  // [half][group][quad, output, 4 inputs]
  alignas(64) std::int8_t q[2][kPartGroups][kQuadsPerGroup * 64];
  alignas(64) float scale[2][kPartGroups][kTileOutputs];
};

// Which part of a call.
struct PartAt {
  std::int64_t output;  // of the first of its bands
  int bands;            // side by side
  int band;             // of these
  std::int64_t group;   // the part's first
};

// The parts of a call in order: those of some bands in turn.
struct PartOrder {
  std::int64_t groups;
  std::int64_t output_end;
  int bands;

  PartAt Begin(std::int64_t output) const {
    return {output, output_end - output > (bands - 1) * 2 * kTileOutputs ? bands : 1, 0, 0};
  }
  bool Has(const PartAt& at) const { return at.output < output_end; }
  PartAt After(PartAt at) const {
    if (++at.band < at.bands) {
      return at;
    }
    at.band = 0;
    at.group += kPartGroups;
    return at.group < groups ? at : Begin(at.output + at.bands * 2 * kTileOutputs);
  }
  static std::int64_t Output(const PartAt& at) { return at.output + at.band * 2 * kTileOutputs; }
};

// What a part's steps do for those to come.
template <class Tile>
struct Ahead {
  using Layout = typename Tile::Layout;
  static constexpr int kPartBytes = kPartGroups * Layout::kTileBytes;
  static constexpr int kLines = kPartBytes / 64;
  static_assert(kLines % kPartsAskedFor == 0);

  const std::byte* tiles;  // of the next part, to unpack
  Part* part;              // to here
  const std::byte* asked_for[kPartsAskedFor];

  template <int kStep>
  [[gnu::always_inline]] void Unpack() const {
    constexpr int kGroupOfPart = kStep / 2;
    constexpr int kHalf = kStep % 2;
    const __m512i bias = _mm512_set1_epi8(static_cast<char>(Layout::kBias));
    const std::byte* const tile = tiles + kGroupOfPart * Layout::kTileBytes;
    ASHLAR_UNROLL
    for (int i = 0; i < kQuadsPerGroup / 2; ++i) {
      const int quad = kHalf * kQuadsPerGroup / 2 + i;
      __m512i w[2];
      Tile::template Load<2>(tile + Layout::kScaleBytes + quad * Layout::kQuadBytes, 0, w);
      _mm512_store_si512(part->q[0][kGroupOfPart] + 64 * quad, _mm512_sub_epi8(w[0], bias));
      _mm512_store_si512(part->q[1][kGroupOfPart] + 64 * quad, _mm512_sub_epi8(w[1], bias));
    }
    Tile::Scales(tile, kHalf * kTileOutputs).Store(part->scale[kHalf][kGroupOfPart]);
  }
  template <int kStep>
  [[gnu::always_inline]] void Ask() const {
    constexpr int kFirst = kStep * kLines / kSteps;
    constexpr int kCount = (kStep + 1) * kLines / kSteps - kFirst;
    ASHLAR_UNROLL
    for (int i = 0; i < kCount; ++i) {
      const int line = kFirst + i;
      AskFor(asked_for[line % kPartsAskedFor] + 64 * (line / kPartsAskedFor));
    }
  }
  static void AskForAll(const std::byte* tiles) {
    for (int line = 0; line < kLines; ++line) {
      AskFor(tiles + 64 * line);
    }
  }
};

// What is multiplied: rows of activations, and a part.
struct Operands {
  const std::int8_t* q;
  const Part* part;
};

// A block: at most 16 rows, and a part. (`after` is multiplied in the last steps already.)
struct PartBlock {
  Operands own;
  Operands after;
  std::int64_t q_stride;  // bytes
  const float* scale;
  std::int64_t scale_stride;
  Sums* sums;  // of both halves, and the parts before, unless this is the `first`; to here, or if
               // `last`, to y
  float* y;
  std::int64_t y_stride;
  std::int64_t outputs;  // from the part's first on
  int rows;
  bool first;
  bool last;
};

template <int kStep>
[[gnu::always_inline]] inline void MultiplyStep(const Operands& operands, std::int64_t q_stride) {
  constexpr int kTurn = kStep % kTurns;
  Multiply<kTurn>(operands.q + kTurn * kGroup, q_stride,
                  operands.part->q[kStep / kPartGroups][kTurn]);
}

// Adds a step's dots to the sums y of kRows rows, and has those of the one two steps after begun.
template <int kStep, int kRows, bool kAhead, class Tile>
[[gnu::always_inline]] inline void PartStep(const PartBlock& block, const Ahead<Tile>& ahead,
                                            Dots& dots, __m512 (&y)[kRows]) {
  constexpr int kTurn = kStep % kTurns;
  MultiplyStep<(kStep + 2) % kSteps>(kStep + 2 < kSteps ? block.own : block.after, block.q_stride);
  StoreDots<(kTurn + 1) % kTurns>(dots);
  if constexpr (kAhead) {
    ahead.template Unpack<kStep>();
    ahead.template Ask<kStep>();
  }
  constexpr int kRowsAskedFor = kRows / kSteps;
  ASHLAR_UNROLL
  for (int r = 0; r < kRowsAskedFor; ++r) {
    const auto* const row = reinterpret_cast<const std::byte*>(
        block.after.q + (kStep * kRowsAskedFor + r) * block.q_stride);
    AskFor(row);
    AskFor(row + 64);
  }
  const __m512 w_scale = _mm512_load_ps(block.own.part->scale[kStep / kPartGroups][kTurn]);
  const float* const x_scale = block.scale + kTurn * block.scale_stride;
  ASHLAR_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const __m512 scale = _mm512_mul_ps(w_scale, _mm512_set1_ps(x_scale[r]));
    y[r] = _mm512_fmadd_ps(ToFloats(_mm512_load_si512(dots[kTurn % 2][r])), scale, y[r]);
  }
}

template <int kHalf, int kRows, bool kAhead, class Tile>
[[gnu::always_inline]] inline void HalfOfPart(const PartBlock& block, const Ahead<Tile>& ahead,
                                              Dots& dots) {
  __m512 y[kRows];
  ASHLAR_UNROLL
  for (int r = 0; r < kRows; ++r) {
    y[r] = block.first ? _mm512_setzero_ps() : _mm512_load_ps(block.sums[kHalf][r]);
  }
  constexpr int kStep = kHalf * kPartGroups;
  PartStep<kStep, kRows, kAhead>(block, ahead, dots, y);
  PartStep<kStep + 1, kRows, kAhead>(block, ahead, dots, y);
  PartStep<kStep + 2, kRows, kAhead>(block, ahead, dots, y);
  PartStep<kStep + 3, kRows, kAhead>(block, ahead, dots, y);
  if (!block.last) {
    ASHLAR_UNROLL
    for (int r = 0; r < kRows; ++r) {
      _mm512_store_ps(block.sums[kHalf][r], y[r]);
    }
    return;
  }
  const std::int64_t left = block.outputs - kHalf * kTileOutputs;
  const auto outputs = static_cast<__mmask16>(left >= kTileOutputs ? 0xffffu
                                              : left > 0           ? (1u << left) - 1
                                                                   : 0u);
  ASHLAR_UNROLL
  for (int r = 0; r < kRows; ++r) {
    if (r < block.rows) {
      _mm512_mask_storeu_ps(block.y + r * block.y_stride + kHalf * kTileOutputs, outputs, y[r]);
    }
  }
}

template <int kRows, bool kAhead, class Tile>
[[gnu::noinline]] void RunPart(const PartBlock& block, const Ahead<Tile>& ahead, Dots& dots) {
  HalfOfPart<0, kRows, kAhead>(block, ahead, dots);
  HalfOfPart<1, kRows, kAhead>(block, ahead, dots);
}

// At most kPanelRowsOfParts rows, in blocks that are alike: the last may have rows of the one
// before. (Tiles are configured once, as products go on from block to block.)
template <class Tile, int kRows>
void PartsLinear(const LinearArgs& args) {
  constexpr int kPartBytes = Ahead<Tile>::kPartBytes;
  const QuantizedRows& x = args.x_quantized;
  const std::int64_t q_stride = x.stride_groups * kGroup;
  const std::int64_t blocks = (args.rows + kTileRows - 1) / kTileRows;
  const std::int64_t rows = (args.rows + blocks - 1) / blocks;
  const auto row_of = [&](std::int64_t block) {
    return block * rows < args.rows - rows ? block * rows : args.rows - rows;
  };
  const PartOrder order = {.groups = args.inputs / kGroup,
                           .output_end = args.output_end,
                           .bands = args.rows <= kMostFewRows ? kBandsAtOnce : 1};
  const auto tiles = [&](const PartAt& at) {
    return args.weights +
           static_cast<std::uint64_t>(order.Output(at) / (2 * kTileOutputs)) * args.band_stride +
           at.group * Tile::Layout::kTileBytes;
  };
  Part parts[2];
  // Of all blocks, of each band at once or of the one band.
  constexpr std::int64_t kSumsRows = kBandsAtOnce * kMostFewRows;
  static_assert(kPanelRowsOfParts <= kSumsRows);
  alignas(64) Sums sums[kSumsRows / kTileRows][2];
  alignas(64) Dots dots;
  Configure(static_cast<int>(rows));

  PartAt at = order.Begin(args.output_begin);
  PartAt later = at;
  for (int i = 0; i < at.bands + kPartsAhead && order.Has(later); ++i) {
    Ahead<Tile>::AskForAll(tiles(later));
    later = order.After(later);
  }
  Ahead<Tile> ahead = {.tiles = tiles(at), .part = &parts[0], .asked_for = {}};
  [&]<int... kStep>(std::integer_sequence<int, kStep...>) {
    (ahead.template Unpack<kStep>(), ...);
  }
  (std::make_integer_sequence<int, kSteps>());
  simd::StoresBeforeTiles();
  MultiplyStep<0>({x.q, &parts[0]}, q_stride);
  MultiplyStep<1>({x.q, &parts[0]}, q_stride);
  StoreDots<0>(dots);

  const std::byte* of_band[kBandsAtOnce];  // the later part that is asked for
  for (int turn = 0; order.Has(at); turn ^= 1) {
    const Part* const part = &parts[turn];
    // After the last part that one is unpacked and multiplied again, to no end.
    const PartAt after = order.After(at);
    const PartAt next = order.Has(after) ? after : at;
    ahead.tiles = tiles(next);
    ahead.part = &parts[turn ^ 1];
    if (at.band == 0) {
      for (int band = 0; band < at.bands; ++band) {
        of_band[band] = order.Has(later) ? tiles(later) : ahead.tiles;
        later = order.After(later);
      }
    }
    const int shares = kPartsAskedFor / at.bands;
    for (int i = 0; i < kPartsAskedFor; ++i) {
      ahead.asked_for[i] =
          of_band[i / shares] + (at.band * shares + i % shares) * (kPartBytes / kPartsAskedFor);
    }
    const std::int64_t output = order.Output(at);
    const std::int8_t* const q = x.q + at.group * kGroup;
    for (std::int64_t i = 0; i < blocks; ++i) {
      const std::int64_t row = row_of(i);
      const PartBlock block = {.own = {q + row * q_stride, part},
                               .after = i + 1 < blocks
                                            ? Operands{q + row_of(i + 1) * q_stride, part}
                                            : Operands{x.q + next.group * kGroup, ahead.part},
                               .q_stride = q_stride,
                               .scale = x.scale + at.group * x.stride_rows + row,
                               .scale_stride = x.stride_rows,
                               .sums = sums[at.band * blocks + i],
                               .y = args.y + row * args.y_stride + output,
                               .y_stride = args.y_stride,
                               .outputs = args.output_end - output,
                               .rows = static_cast<int>(rows),
                               .first = at.group == 0,
                               .last = at.group + kPartGroups >= order.groups};
      simd::StoresBeforeTiles();
      if (i == 0) {
        RunPart<kRows, true>(block, ahead, dots);
      } else {
        RunPart<kRows, false>(block, ahead, dots);
      }
    }
    at = after;
  }
  _tile_release();
}

// Whether these rows and inputs are for PartsLinear.
bool TakesParts(const LinearArgs& args) {
  return args.rows >= kLeastRowsOfParts && args.inputs > 0 &&
         args.inputs % (kPartGroups * kGroup) == 0 && args.output_begin < args.output_end;
}

template <class Tile>
void PartsLinear(const LinearArgs& args) {
  if (args.rows <= kTileRows / 2) {
    return PartsLinear<Tile, kTileRows / 2>(args);
  }
  ForEachPanel(args, kPanelRowsOfParts, PartsLinear<Tile, kTileRows>);
}

}  // namespace
}  // namespace ashlar::amx
