// The body of the bitplane kernels, for any instruction set and number of planes.
//
//   y[m, n] = factor[n] / 128 * sum_g scale[n, g] xscale[m, g] dot[m, n, g]
//   dot[m, n, g] = sum_i (byte[n, g, i] + half - 128) qx[m, g, i]             |dot| < 2^20
//
// A code of p planes fills a byte from the top; `half`, 2^(7 - p), is its half step:
// (code + 1/2 - 2^(p-1)) 2^(1-p) = (byte + half - 128) / 128. So whatever the number of planes,
// what is multiplied are bytes as q8 has them, by the body of q8 (quantized_simd.h).
//
// Order of the sum: dot is exact; then, from g = 0 up, y = fma(dot, scale * xscale, y) from y = 0;
// then y times the output's factor. The same in every shape of block.
//
// Planes become codes by picking bits of two registers by a mask, and by shifts: two planes make
// pairs of bits (level 0 has them stored so), two lines of pairs make nibbles, two of nibbles
// bytes, as the codec's layout has the bits in this order (docs/formats/bitplane.md). A step is for
// 64 or more codes at once, and nothing leaves the registers.
//
// One row, and of up to 4 planes up to 4 rows, take the planes as they go, 4 bands side by side;
// more rows have a band unpacked, some groups at a time, to the first-level cache. On AVX-512 a
// shift and a pick are an instruction each. Of one row, whose 8 sums of floats, 2 of integers, 2
// lines, their pairs and 3 masks fit the registers, the 1024 codes of a group take:
//
//   planes                               2     3     4    q4
//   instructions to unpack              20    30    32    24
//   products                            16    16    16    16
//   scales, sums, their conversion      10    10    11    10
//   cycles on two ports, at least       23    28    30    25
//   bytes                              272   400   528   576
//   ns, from the second-level cache    7.5   9.4  10.1   9.1
//   ns, from memory                   21.2  29.4  38.3  41.4
//   2 rows, ns, from memory           23.4  31.0  39.5  42.5
//   4 rows, ns, from memory           30.7  39.2  47.0  49.8
//
// (One thread of a busy Sapphire Rapids, the twentieth of many calls, all in turn; from the cache,
// each of two threads. 2 rows of bands unpacked first took 37.1, 43.6 and 50.2, 4 rows 41.9, 48.2
// and 56.5.) So decoding waits for memory, of which it reads 12.8 to 13.9 GB/s, unless a core's
// other thread leaves it too few cycles. Asking for lines ahead, at any distance, changed little; 2
// bands were slower at 2 and 3 planes, and 8 at 4. On AVX2, where a pick is three instructions, one
// row has 1.6, 1.2 and 1.0 of q4's speed there, and of AVX-VNNI, whose products are an instruction,
// 1.8, 1.3 and 1.0. 128 rows of 4 planes, GOP/s of one thread, beside q4: AVX2 222 and 236,
// AVX-VNNI 319 and 347.
//
// A `Form` is what an instruction set does:
//
//   Line           a register of bytes; Pick<mask>(a, b) has the bits of a where the mask of a
//                  byte has ones, else those of b; Keep<mask>(a), a or zeros; Set<bits>(a), a or
//                  ones; Up<n> and Down<n> shift, and bits that cross into other bytes are never
//                  picked
//   OneRow<kPlanes>, ManyRows<kPlanes>
//                  tiles for quantized_simd.h. kKept: 2, a line of codes is kept as bytes, those of
//                  outputs below 16 and the others (of many rows, with the bit of the half step),
//                  or 1, as nibbles, both in one. Take(kept, w): two vectors of weights
//                  kUnitOfLow: what a dot of an output below 16 is counted in, a power of 2
//   Scales(from, output, x_scale, unit)
//                  kLanes scales, of the indices at `from`, times x_scale, times unit: bands that
//                  stand side by side share the table's products
#pragma once

#include <cstddef>
#include <cstdint>

#include "ashlar/codec/bitplane/layout.h"
#include "ashlar/kernels/linear/linear_args.h"
#include "ashlar/kernels/linear/quantized_kept.h"
#include "ashlar/kernels/simd/half.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::internal {
namespace {

// The half step of codes of that many planes, in units of a byte; of 8 it is half a unit.
constexpr int HalfStep(int planes) {
  return planes == BitplaneLayout::kPlanes ? 0 : 128 >> planes;
}

// Of so many planes, 2 to kFewRows rows take the planes as they go: it is a third of the code of
// all.
constexpr int kPlanesOfFewRows = 4;

}  // namespace

// The planes of kBandCount bands, group after group.
template <class Form, int kPlanes, int kBandCount>
class PlanesOfBands {
  using Layout = BitplaneLayout;

 public:
  using Tile = typename Form::template OneRow<kPlanes>;
  using Line = typename Form::Line;
  static constexpr int kBands = kBandCount;
  static constexpr bool kStepsAreALoop = false;
  // A line of pairs has two quads of inputs; so they are taken one after the other.
  static constexpr int Quad(int step) { return step / 4 * 4 + step / 2 % 2 + step % 2 * 2; }

  PlanesOfBands(const LinearArgs& args, std::int64_t band) {
    const std::uint64_t header = Layout::HeaderBytes(args.stored_rows);
    ASHLAR_UNROLL
    for (int b = 0; b < kBands; ++b) {
      ASHLAR_UNROLL
      for (int level = 0; level < kLevels; ++level) {
        level_[b][level] =
            args.levels[level] + header +
            static_cast<std::uint64_t>(band + b) * Layout::BandBytes(level, args.stored_columns);
      }
      scales_[b] =
          level_[b][0] + args.stored_columns / kGroup * Layout::kFirstPlanes * Layout::kTileBytes;
    }
  }

  template <int kVectors>
  void Load(int b, int step, int part, typename Tile::Weights (&w)[kVectors]) const {
    ASHLAR_UNROLL
    for (int h = 0; h < kVectors / 2; ++h) {
      Line kept[Tile::kKept];
      Keep(b, step, part + h, kept);
      Tile::Take(kept, w + 2 * h);
    }
  }
  // The codes of line `line` of a step: as nibbles, of at most 4 planes, or as bytes.
  template <int kKept>
  void Keep(int b, int step, int line, Line (&kept)[kKept]) const {
    const int at = line * static_cast<int>(sizeof(Line));
    const Line high = Nibbles<0>(b, step, at);
    if constexpr (kKept == 1) {
      static_assert(kPlanes <= 4);
      kept[0] = high;
    } else if constexpr (kPlanes <= 4) {
      kept[0] = Line::template Keep<0xf0>(Line::template Up<4>(high));
      kept[1] = Line::template Keep<0xf0>(high);
    } else {
      const Line low = Nibbles<4>(b, step, at);
      kept[0] = Line::template Pick<0xf0>(Line::template Up<4>(high), low);
      kept[1] = Line::template Pick<0xf0>(high, Line::template Down<4>(low));
    }
  }
  typename Tile::F32 Scales(int b, int output, float x_scale) const {
    const float unit = output < kBandOutputs / 2 ? Tile::kUnitOfLow : 1;
    return Form::Scales(scales_[b] + group_ * Layout::kScaleBytes, output, x_scale, unit);
  }
  // Those of the first band as they are.
  typename Tile::F32 Scales(int output) const {
    return Form::Scales(scales_[0] + group_ * Layout::kScaleBytes, output, 1, 1);
  }
  // (The processor's own prefetcher follows every level of every band: asking gained nothing.)
  void Prefetch(int) const {}
  // Asks for group `ahead` from here of the first band, while others are multiplied.
  void PrefetchGroup(std::int64_t ahead) const {
    using F32 = typename Tile::F32;
    const std::int64_t group = group_ + ahead;
    ASHLAR_UNROLL
    for (int line = 0; line < 4; ++line) {
      F32::Prefetch(level_[0][0] + group * (2 * Layout::kTileBytes) + 64 * line);
    }
    ASHLAR_UNROLL
    for (int level = 1; level < kLevels; ++level) {
      F32::Prefetch(level_[0][level] + group * Layout::kTileBytes);
      F32::Prefetch(level_[0][level] + group * Layout::kTileBytes + 64);
    }
    F32::Prefetch(scales_[0] + group * Layout::kScaleBytes);
  }
  void Next() { ++group_; }

 private:
  static constexpr int kLevels = kPlanes - Layout::kFirstPlanes + 1;

  // Bits 7 and 6, 5 and 4 ... of a byte: planes kFirst and kFirst + 1, counted from the sign, of
  // the quads of steps 2 * pair and 2 * pair + 1. Planes that are not there are zeros.
  template <int kFirst>
  Line Pairs(int b, int pair, int at) const {
    if constexpr (kFirst == 0) {
      return Line::Load(level_[b][0] + group_ * (2 * Layout::kTileBytes) + 64 * pair + at);
    } else {
      const auto plane = [&](int p) __attribute__((always_inline)) {
        return Line::Load(level_[b][p - 1] + group_ * Layout::kTileBytes + 64 * (pair / 2) + at);
      };
      if constexpr (kFirst + 1 == kPlanes) {
        return Line::template Keep<0xaa>(pair % 2 == 0 ? plane(kFirst)
                                                       : Line::template Up<1>(plane(kFirst)));
      } else {
        return pair % 2 == 0 ? Line::template Pick<0xaa>(plane(kFirst),
                                                         Line::template Down<1>(plane(kFirst + 1)))
                             : Line::template Pick<0xaa>(Line::template Up<1>(plane(kFirst)),
                                                         plane(kFirst + 1));
      }
    }
  }
  // Planes kFirst to kFirst + 3 of a step: high nibbles are outputs from 16 on, low ones below.
  template <int kFirst>
  Line Nibbles(int b, int step, int at) const {
    const Line high = Pairs<kFirst>(b, step / 2, at);
    if constexpr (kFirst + 2 >= kPlanes) {
      return Line::template Keep<0xcc>(step % 2 == 0 ? high : Line::template Up<2>(high));
    } else {
      const Line low = Pairs<kFirst + 2>(b, step / 2, at);
      return step % 2 == 0 ? Line::template Pick<0xcc>(high, Line::template Down<2>(low))
                           : Line::template Pick<0xcc>(Line::template Up<2>(high), low);
    }
  }

  const std::byte* level_[kBands][kLevels];
  const std::byte* scales_[kBands];
  std::int64_t group_ = 0;
};

// A band's groups, for KeptBand.
template <class Form, int kPlanes>
class KeptPlanes : public PlanesOfBands<Form, kPlanes, 1> {
  using Planes = PlanesOfBands<Form, kPlanes, 1>;
  using Line = typename Form::Line;

 public:
  using Tile = typename Form::template ManyRows<kPlanes>;
  using Planes::Planes;

  void Keep(KeptGroup<Tile>& group) const {
    using F32 = typename Form::F32;
    ASHLAR_UNROLL
    for (int output = 0; output < kBandOutputs; output += F32::kLanes) {
      Planes::Scales(output).Store(group.scale + output);
    }
    ASHLAR_UNROLL
    for (int step = 0; step < kQuadsOfGroup; ++step) {
      ASHLAR_UNROLL
      for (int line = 0; line < 64 / static_cast<int>(sizeof(Line)); ++line) {
        Line kept[Tile::kKept];
        Planes::Keep(0, step, line, kept);
        if constexpr (Tile::kKept == 2) {
          kept[0] = Line::template Set<HalfStep(kPlanes)>(kept[0]);
          kept[1] = Line::template Set<HalfStep(kPlanes)>(kept[1]);
        }
        typename Tile::Weights w[2];
        Tile::Take(kept, w);
        group.Set(Planes::Quad(step), line, w);
      }
    }
  }
};

// y <- y * factor / 128, for the outputs of one band.
template <class F32>
void ScaleOutputs(const LinearArgs& args, std::int64_t band) {
  const std::byte* const factors = args.levels[args.level_count - 1];
  for (std::int64_t n = band * kBandOutputs; n < args.output_end && n < (band + 1) * kBandOutputs;
       n += F32::kLanes) {
    const F32 factor = F32::Load(reinterpret_cast<const simd::Half*>(factors + 2 * n)) *
                       F32::Broadcast(1.0f / 128);
    for (std::int64_t m = 0; m < args.rows; ++m) {
      float* const y = args.y + m * args.y_stride + n;
      if (n + F32::kLanes <= args.output_end) {
        (F32::Load(y) * factor).Store(y);
      } else {
        const std::int64_t count = args.output_end - n;
        (F32::LoadFirst(y, count, F32::Zero()) * factor).StoreFirst(y, count);
      }
    }
  }
}

template <class Form, int kPlanes, int kRows>
void PlanesOfFewRows(const LinearArgs& args, std::int64_t band) {
  QuantizedBands<kRows>(args, PlanesOfBands<Form, kPlanes, kBandsOfFewRows>(args, band), band, 0,
                        args.rows, {0, args.inputs / kGroup});
  for (int b = 0; b < kBandsOfFewRows; ++b) {
    ScaleOutputs<typename Form::F32>(args, band + b);
  }
}

template <class Form, int kPlanes>
void PlanesOfManyRows(const LinearArgs& args, std::int64_t band) {
  using Planes = KeptPlanes<Form, kPlanes>;
  KeptBand<typename Planes::Tile>(args, Planes(args, band), band);
  ScaleOutputs<typename Form::F32>(args, band);
}

// Any rows, of one number of planes.
template <class Form>
struct PlanesRunner {
  template <int kPlanes>
  static void Run(const LinearArgs& args) {
    std::int64_t band = args.output_begin / kBandOutputs;
    const std::int64_t band_end = (args.output_end + kBandOutputs - 1) / kBandOutputs;
    constexpr int kRows = kPlanes <= kPlanesOfFewRows ? kFewRows : 1;
    if (args.rows > 0 && args.rows <= kRows) {
      for (; band + kBandsOfFewRows <= band_end; band += kBandsOfFewRows) {
        PlanesOfFewRows<Form, kPlanes, kRows>(args, band);
      }
    }
    for (; args.rows > 0 && band < band_end; ++band) {
      PlanesOfManyRows<Form, kPlanes>(args, band);
    }
  }
};

// Runner::Run<kPlanes>(args) for the planes that the levels have.
template <class Runner, int kPlanes = BitplaneLayout::kPlanes>
void ForPlanes(const LinearArgs& args) {
  if constexpr (kPlanes > BitplaneLayout::kFirstPlanes) {
    if (BitplaneLayout::PlanesOf(args.level_count) < kPlanes) {
      return ForPlanes<Runner, kPlanes - 1>(args);
    }
  }
  Runner::template Run<kPlanes>(args);
}

}  // namespace ashlar::internal
