// How keys and values lie in a page, for the vector forms of attention: a policy for each layout,
// with the sums q . k that it computes without shuffling what it loads.
#pragma once

#include <cstdint>

#include "ashlar/kernels/attention/attention_args.h"
#include "ashlar/kernels/simd/for_vectors.h"
#include "ashlar/kernels/simd/math.h"
#include "ashlar/kernels/simd/scaled8.h"

namespace ashlar::simd {

// Positions are taken in stretches of four pages, each beginning at a multiple of its length. (One
// maximum, one correction and one load of the accumulators for 64 scores: with one page at a time
// these took as long as the products.)
inline constexpr int kStretchPages = 4;
inline constexpr int kStretch = kStretchPages * kPageLength;

// Vectors that hold one number for each slot of a page.
template <class F32>
inline constexpr int kPageVectors = kPageLength / F32::kLanes;

// Registers that accumulate in a tile; the others hold what was loaded.
template <class F32>
inline constexpr int kAccumulators = F32::kRegisters / 4 * 3;

// Queries in a full tile: with four vectors of keys or values (two on AVX2) they fill the
// accumulators, and a multiply-add needs less than half a load.
inline constexpr int kTile = 6;

// The largest power of two up to n, at most 8.
template <int n>
inline constexpr int kPowerOfTwo = n >= 8   ? 8
                                   : n >= 4 ? 4
                                   : n >= 2 ? 2
                                            : 1;

template <class F32>
struct Query {
  const float* q;               // [key_dim], times log2(e) and the scale of scores
  float* values;                // [value_dim]: the sum of 2^(score - max) v so far
  float* out;                   // [value_dim]: where the result goes
  std::int64_t begin, end;      // the positions that it sees
  float max;                    // of the scores so far
  float slope;                  // what a score falls by with each position of distance
  F32 sums[kPageVectors<F32>];  // of 2^(score - max) so far, for each slot of a page
};

// Whether the numbers of a page have scales.
template <class Element>
inline constexpr bool kScaled = false;
template <>
inline constexpr bool kScaled<Scaled8> = true;

// One page, for one key-value head. Number: as it lies in the page, or already widened to float.
template <class Number>
struct PagePart {
  const Number* keys;
  const Number* values;                 // [kPageLength, value_dim]
  std::int64_t value_stride;            // from a slot's values to the next slot's
  const float* key_scales = nullptr;    // [kPageLength], where the numbers have scales
  const float* value_scales = nullptr;  // the same
  // The same places in the page that is read a stretch later, or null: asked for while those of
  // this page are read. (Pages are scattered, and their parts too short for the processor to see
  // where the reading goes.)
  const Number* next_keys = nullptr;
  const Number* next_values = nullptr;
};

// Asks for the cache lines of `kVectors` vectors from p on.
template <class F32, int kVectors, class Number>
void PrefetchVectors(const Number* p) {
  constexpr int kPerLine = 64 / (static_cast<int>(sizeof(Number)) * F32::kLanes);
  ASHLAR_UNROLL
  for (int j = 0; j < kVectors; j += kPerLine) {
    F32::Prefetch(p + j * F32::kLanes);
  }
}

// to[0..count) <- the same of p, widened; asks for the same of `next`, unless it is null. Requires:
// count is a multiple of kPageLength.
template <class F32, class Number>
void WidenNumbers(const Number* p, const Number* next, std::int64_t count, float* to) {
  for (std::int64_t i = 0; i < count; i += kPageLength) {
    if (next != nullptr) {
      F32::Prefetch(next + i);
    }
    ASHLAR_UNROLL
    for (int j = 0; j < kPageLength; j += F32::kLanes) {
      F32::Load(p + i + j).Store(to + i + j);
    }
  }
}

// k[kv_head][dim][kPageLength], then v[kv_head][kPageLength][dim]; then, where numbers have scales,
// those of the keys [kv_head][kPageLength] and those of the values.
template <class F32, class PageElement>
struct KeyValuePages {
  using Element = PageElement;

  static std::int64_t KeyOffset(const AttentionShape& shape, std::int64_t kv_head) {
    return kv_head * shape.key_dim * kPageLength;
  }
  static std::int64_t ValueOffset(const AttentionShape& shape, std::int64_t kv_head) {
    return (shape.kv_heads * shape.key_dim + kv_head * shape.value_dim) * kPageLength;
  }
  // Where the scales of a head's keys are, in floats from the first scale on; and its values'.
  static std::int64_t KeyScales(std::int64_t kv_head) { return kv_head * kPageLength; }
  static std::int64_t ValueScales(const AttentionShape& shape, std::int64_t kv_head) {
    return (shape.kv_heads + kv_head) * kPageLength;
  }
  static std::int64_t ScalesAt(const AttentionShape& shape) {  // in bytes of the page
    return ValueOffset(shape, shape.kv_heads) * static_cast<std::int64_t>(sizeof(Element));
  }
  static PagePart<Element> Whole(const AttentionShape& shape, const std::byte* page,
                                 std::int64_t kv_head) {
    const Element* const numbers = reinterpret_cast<const Element*>(page);
    PagePart<Element> part = {numbers + KeyOffset(shape, kv_head),
                              numbers + ValueOffset(shape, kv_head), shape.value_dim};
    if constexpr (kScaled<Element>) {
      const float* const scales = reinterpret_cast<const float*>(page + ScalesAt(shape));
      part.key_scales = scales + KeyScales(kv_head);
      part.value_scales = scales + ValueScales(shape, kv_head);
    }
    return part;
  }
  // The page, widened; `room` takes WideFloats() floats.
  static std::int64_t WideFloats(const AttentionShape& shape) {
    return kPageLength * (shape.key_dim + shape.value_dim);
  }
  static PagePart<float> Widen(const AttentionShape& shape, const PagePart<Element>& page,
                               float* room) {
    float* const values = room + kPageLength * shape.key_dim;
    WidenNumbers<F32>(page.keys, page.next_keys, kPageLength * shape.key_dim, room);
    WidenNumbers<F32>(page.values, page.next_values, kPageLength * shape.value_dim, values);
    return {room, values, shape.value_dim, page.key_scales, page.value_scales};
  }

  // Pages that a tile takes at once.
  template <int kQueries>
  static constexpr int kPagesAtOnce =
      kPowerOfTwo<kAccumulators<F32> / (kQueries * kPageVectors<F32>)> < kStretchPages
          ? kPowerOfTwo<kAccumulators<F32> / (kQueries * kPageVectors<F32>)>
          : kStretchPages;

  // dots[i * kStretch + slot of the kPages pages] <- the sum over d = 0, 1, ...
  template <int kQueries, int kPages, class Number>
  static void Dot(std::int64_t key_dim, const PagePart<Number>* pages, const Query<F32>* queries,
                  float* dots) {
    constexpr int kPer = kPageVectors<F32>;
    F32 dot[kQueries][kPages * kPer];
    const Number* keys[kPages];
    const float* q[kQueries];
    ASHLAR_UNROLL
    for (int p = 0; p < kPages; ++p) {
      keys[p] = pages[p].keys;
    }
    ASHLAR_UNROLL
    for (int i = 0; i < kQueries; ++i) {
      q[i] = queries[i].q;
      ASHLAR_UNROLL
      for (int j = 0; j < kPages * kPer; ++j) {
        dot[i][j] = F32::Zero();
      }
    }
    const bool ask = pages[0].next_keys != nullptr;
    for (std::int64_t d = 0; d < key_dim; ++d) {
      F32 key[kPages * kPer];
      ASHLAR_UNROLL
      for (int j = 0; j < kPages * kPer; ++j) {
        key[j] = F32::Load(keys[j / kPer] + d * kPageLength + j % kPer * F32::kLanes);
      }
      if (ask) {
        ASHLAR_UNROLL
        for (int p = 0; p < kPages; ++p) {
          F32::Prefetch(pages[p].next_keys + d * kPageLength);
        }
      }
      ASHLAR_UNROLL
      for (int i = 0; i < kQueries; ++i) {
        const F32 query = F32::Broadcast(q[i][d]);
        ASHLAR_UNROLL
        for (int j = 0; j < kPages * kPer; ++j) {
          dot[i][j] = MulAdd(query, key[j], dot[i][j]);
        }
      }
    }
    ASHLAR_UNROLL
    for (int i = 0; i < kQueries; ++i) {
      ASHLAR_UNROLL
      for (int j = 0; j < kPages * kPer; ++j) {
        dot[i][j].Store(dots + i * kStretch + j * F32::kLanes);
      }
    }
  }

  // Keys are narrowed a vector at a time and then scattered: each dim of a position has a cache
  // line (or half of one) of its own.
  static void Store(const AttentionShape& shape, const float* k, const float* v, int slot,
                    std::byte* page) {
    if constexpr (kScaled<Element>) {
      StoreScaled(shape, k, v, slot, page);
      return;
    }
    const F32 zero = F32::Zero();
    Element* const keys = reinterpret_cast<Element*>(page) + slot;
    const std::int64_t key_numbers = shape.kv_heads * shape.key_dim;
    ForVectors<F32>(key_numbers, [=](std::int64_t i, auto vector) {
      Element narrow[F32::kLanes];
      vector.Load(k + i, zero).Store(narrow);
      const std::int64_t left = key_numbers - i;
      for (std::int64_t lane = 0; lane < F32::kLanes && lane < left; ++lane) {
        keys[(i + lane) * kPageLength] = narrow[lane];
      }
    });
    for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
      const float* const from = v + head * shape.value_dim;
      Element* const to =
          reinterpret_cast<Element*>(page) + ValueOffset(shape, head) + slot * shape.value_dim;
      ForVectors<F32>(shape.value_dim, [=](std::int64_t d, auto vector) {
        vector.Store(vector.Load(from + d, zero), to + d);
      });
    }
  }

 private:
  static void StoreScaled(const AttentionShape& shape, const float* k, const float* v, int slot,
                          std::byte* page) {
    Element* const numbers = reinterpret_cast<Element*>(page);
    float* const scales = reinterpret_cast<float*>(page + ScalesAt(shape));
    for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
      Element* const keys = numbers + KeyOffset(shape, head) + slot;
      scales[KeyScales(head) + slot] = NarrowScaled<F32>(
          k + head * shape.key_dim, shape.key_dim, [&](std::int64_t d, F32 rounded, auto /*all*/) {
            Element narrow[F32::kLanes];
            rounded.Store(narrow);
            const std::int64_t left = shape.key_dim - d;
            for (std::int64_t lane = 0; lane < F32::kLanes && lane < left; ++lane) {
              keys[(d + lane) * kPageLength] = narrow[lane];
            }
          });
      Element* const values = numbers + ValueOffset(shape, head) + slot * shape.value_dim;
      scales[ValueScales(shape, head) + slot] = NarrowScaled<F32>(
          v + head * shape.value_dim, shape.value_dim,
          [&](std::int64_t d, F32 rounded, auto vector) { vector.Store(rounded, values + d); });
    }
  }
};

// k[kPageLength][dim], whose first dims are the values; then its scales [kPageLength], if any.
template <class F32, class PageElement>
struct LatentPages {
  using Element = PageElement;

  static PagePart<Element> Whole(const AttentionShape& shape, const std::byte* page,
                                 std::int64_t /*kv_head*/) {
    const Element* const numbers = reinterpret_cast<const Element*>(page);
    PagePart<Element> part = {numbers, numbers, shape.key_dim};
    if constexpr (kScaled<Element>) {
      part.key_scales = reinterpret_cast<const float*>(page + ScalesAt(shape));
      part.value_scales = part.key_scales;
    }
    return part;
  }
  static std::int64_t ScalesAt(const AttentionShape& shape) {  // in bytes of the page
    return kPageLength * shape.key_dim * static_cast<std::int64_t>(sizeof(Element));
  }
  static std::int64_t WideFloats(const AttentionShape& shape) {
    return kPageLength * shape.key_dim;
  }
  static PagePart<float> Widen(const AttentionShape& shape, const PagePart<Element>& page,
                               float* room) {
    WidenNumbers<F32>(page.keys, page.next_keys, kPageLength * shape.key_dim, room);
    return {room, room, shape.key_dim, page.key_scales, page.value_scales};
  }

  template <int kQueries>
  static constexpr int kPagesAtOnce = 1;

  // Per slot, lane l of the sum has d = l, l + kLanes, ...; then the lanes' tree. Some slots are
  // taken at once, so that a load of q serves several multiply-adds.
  template <int kQueries, int /*kPages*/, class Number>
  static void Dot(std::int64_t key_dim, const PagePart<Number>* pages, const Query<F32>* queries,
                  float* dots) {
    constexpr int kMostSlots = kPowerOfTwo<kAccumulators<F32> / kQueries>;
    constexpr int kSlots = kMostSlots < 4 ? kMostSlots : 4;
    const F32 zero = F32::Zero();
    const PagePart<Number>& page = pages[0];
    for (std::int64_t slot = 0; slot < kPageLength; slot += kSlots) {
      F32 sums[kQueries][kSlots];
      ASHLAR_UNROLL
      for (int i = 0; i < kQueries; ++i) {
        ASHLAR_UNROLL
        for (int j = 0; j < kSlots; ++j) {
          sums[i][j] = zero;
        }
      }
      const Number* const keys = page.keys + slot * key_dim;
      const bool ask = page.next_keys != nullptr;
      const Number* const next = (ask ? page.next_keys : page.keys) + slot * key_dim;
      ForVectors<F32>(key_dim, [&](std::int64_t d, auto vector) {
        F32 key[kSlots];
        ASHLAR_UNROLL
        for (int j = 0; j < kSlots; ++j) {
          key[j] = vector.Load(keys + j * key_dim + d, zero);
        }
        if (ask) {
          ASHLAR_UNROLL
          for (int j = 0; j < kSlots; ++j) {
            F32::Prefetch(next + j * key_dim + d);
          }
        }
        ASHLAR_UNROLL
        for (int i = 0; i < kQueries; ++i) {
          const F32 q = vector.Load(queries[i].q + d, zero);
          ASHLAR_UNROLL
          for (int j = 0; j < kSlots; ++j) {
            sums[i][j] = MulAdd(q, key[j], sums[i][j]);
          }
        }
      });
      ASHLAR_UNROLL
      for (int i = 0; i < kQueries; ++i) {
        ASHLAR_UNROLL
        for (int j = 0; j < kSlots; ++j) {
          dots[i * kStretch + slot + j] = SumLanes(sums[i][j]);
        }
      }
    }
  }

  static void Store(const AttentionShape& shape, const float* k, int slot, std::byte* page) {
    const F32 zero = F32::Zero();
    Element* const to = reinterpret_cast<Element*>(page) + slot * shape.key_dim;
    if constexpr (kScaled<Element>) {
      reinterpret_cast<float*>(page + ScalesAt(shape))[slot] = NarrowScaled<F32>(
          k, shape.key_dim,
          [&](std::int64_t d, F32 rounded, auto vector) { vector.Store(rounded, to + d); });
      return;
    }
    ForVectors<F32>(shape.key_dim, [=](std::int64_t d, auto vector) {
      vector.Store(vector.Load(k + d, zero), to + d);
    });
  }
};

}  // namespace ashlar::simd
