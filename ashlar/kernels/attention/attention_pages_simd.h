// How keys and values lie in a page, for the vector forms of attention: a policy for each layout,
// with the sums q . k that it computes without shuffling what it loads.
#pragma once

#include <cstdint>

#include "ashlar/kernels/attention/attention_args.h"
#include "ashlar/kernels/simd/for_vectors.h"
#include "ashlar/kernels/simd/math.h"
#include "ashlar/kernels/simd/scaled8.h"

namespace ashlar::simd {

// Vectors that hold one number for each slot of a page.
template <class F32>
inline constexpr int kPageVectors = kPageLength / F32::kLanes;

// Queries in a full tile. Their scores take eight accumulators: a multiply-add takes four cycles,
// and two start in each.
template <class F32>
inline constexpr int kTile = 8 / kPageVectors<F32>;

template <class F32>
struct Query {
  const float* q;               // [key_dim]
  float* values;                // [value_dim]: the sum of exp(score - max) v so far
  float* out;                   // [value_dim]: where the result goes
  std::int64_t begin, end;      // the positions that it sees
  float max;                    // of the scores so far
  float slope;                  // what a score falls by with each position of distance
  F32 sums[kPageVectors<F32>];  // of exp(score - max) so far, for each slot of a page
};

// Whether the numbers of a page have scales.
template <class Element>
inline constexpr bool kScaled = false;
template <>
inline constexpr bool kScaled<Scaled8> = true;

// One page, for one key-value head, and the slots of it that all queries of a tile see.
template <class PageElement>
struct PagePart {
  const PageElement* keys;
  const PageElement* values;  // [kPageLength, value_dim]
  std::int64_t value_stride;  // from a slot's values to the next slot's
  std::int64_t begin, end;
  std::int64_t position;                // of slot 0
  const float* key_scales = nullptr;    // [kPageLength], where the numbers have scales
  const float* value_scales = nullptr;  // the same
};

// The numbers of the slots of a page, from slot `first` on.
template <class F32>
F32 Slots(int first) {
  alignas(64) static constexpr float kSlots[kPageLength] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                            8, 9, 10, 11, 12, 13, 14, 15};
  return F32::Load(kSlots + first);
}

// Asks for the cache lines of `count` numbers from p on.
template <class F32, class Element>
void PrefetchNumbers(const Element* p, std::int64_t count) {
  constexpr std::int64_t kPerLine = 64 / sizeof(Element);
  for (std::int64_t i = 0; i < count; i += kPerLine) {
    F32::Prefetch(p + i);
  }
}

// scores <- cap(scale * scores * scale of the key) - slope * distance of the visible slots;
// -infinity for the others.
template <class F32, class Element, int kQueries>
void FinishScores(const AttentionShape& shape, const PagePart<Element>& page,
                  const Query<F32>* queries, F32 (&scores)[kQueries][kPageVectors<F32>]) {
  ASHLAR_UNROLL
  for (int i = 0; i < kQueries; ++i) {
    ASHLAR_UNROLL
    for (int j = 0; j < kPageVectors<F32>; ++j) {
      F32 score = scores[i][j];
      if constexpr (kScaled<Element>) {
        score = score * F32::Load(page.key_scales + j * F32::kLanes);
      }
      score = score * F32::Broadcast(shape.scale);
      if (shape.soft_cap != 0) {
        const F32 cap = F32::Broadcast(shape.soft_cap);
        score = cap * Tanh(score / cap);
      }
      if (queries[i].slope != 0) {
        const auto distance_of_0 = static_cast<float>(queries[i].end - 1 - page.position);
        const F32 distance = F32::Broadcast(distance_of_0) - Slots<F32>(j * F32::kLanes);
        score = NegMulAdd(F32::Broadcast(queries[i].slope), distance, score);
      }
      const auto visible = F32::Lanes(page.begin - j * F32::kLanes, page.end - j * F32::kLanes);
      scores[i][j] = Select(visible, score, F32::Broadcast(-__builtin_inff()));
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
                              numbers + ValueOffset(shape, kv_head),
                              shape.value_dim,
                              0,
                              kPageLength,
                              0};
    if constexpr (kScaled<Element>) {
      const float* const scales = reinterpret_cast<const float*>(page + ScalesAt(shape));
      part.key_scales = scales + KeyScales(kv_head);
      part.value_scales = scales + ValueScales(shape, kv_head);
    }
    return part;
  }
  static void Prefetch(const AttentionShape& shape, const std::byte* page, std::int64_t kv_head) {
    const PagePart<Element> part = Whole(shape, page, kv_head);
    PrefetchNumbers<F32>(part.keys, shape.key_dim * kPageLength);
    PrefetchNumbers<F32>(part.values, shape.value_dim * kPageLength);
    if constexpr (kScaled<Element>) {
      PrefetchNumbers<F32>(part.key_scales, kPageLength);
      PrefetchNumbers<F32>(part.value_scales, kPageLength);
    }
  }

  // Per slot, the sum over d = 0, 1, ...
  template <int kQueries>
  static void Dot(std::int64_t key_dim, const PagePart<Element>& page, const Query<F32>* queries,
                  F32 (&dot)[kQueries][kPageVectors<F32>]) {
    constexpr int kVectors = kPageVectors<F32>;
    ASHLAR_UNROLL
    for (int i = 0; i < kQueries; ++i) {
      ASHLAR_UNROLL
      for (int j = 0; j < kVectors; ++j) {
        dot[i][j] = F32::Zero();
      }
    }
    for (std::int64_t d = 0; d < key_dim; ++d) {
      F32 key[kVectors];
      ASHLAR_UNROLL
      for (int j = 0; j < kVectors; ++j) {
        key[j] = F32::Load(page.keys + d * kPageLength + j * F32::kLanes);
      }
      ASHLAR_UNROLL
      for (int i = 0; i < kQueries; ++i) {
        const F32 q = F32::Broadcast(queries[i].q[d]);
        ASHLAR_UNROLL
        for (int j = 0; j < kVectors; ++j) {
          dot[i][j] = MulAdd(q, key[j], dot[i][j]);
        }
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
    PagePart<Element> part = {numbers, numbers, shape.key_dim, 0, kPageLength, 0};
    if constexpr (kScaled<Element>) {
      part.key_scales = reinterpret_cast<const float*>(page + ScalesAt(shape));
      part.value_scales = part.key_scales;
    }
    return part;
  }
  static std::int64_t ScalesAt(const AttentionShape& shape) {  // in bytes of the page
    return kPageLength * shape.key_dim * static_cast<std::int64_t>(sizeof(Element));
  }
  static void Prefetch(const AttentionShape& shape, const std::byte* page, std::int64_t kv_head) {
    PrefetchNumbers<F32>(Whole(shape, page, kv_head).keys, shape.key_dim * kPageLength);
  }

  // Per slot, lane l of the sum has d = l, l + kLanes, ...; then the lanes' tree. Slots are taken
  // two at a time, so that a load of q serves two multiply-adds.
  template <int kQueries>
  static void Dot(std::int64_t key_dim, const PagePart<Element>& page, const Query<F32>* queries,
                  F32 (&dot)[kQueries][kPageVectors<F32>]) {
    const F32 zero = F32::Zero();
    float sums[kQueries][kPageLength];
    for (std::int64_t slot = 0; slot < kPageLength; slot += 2) {
      F32 even[kQueries];
      F32 odd[kQueries];
      ASHLAR_UNROLL
      for (int i = 0; i < kQueries; ++i) {
        even[i] = zero;
        odd[i] = zero;
      }
      const Element* const keys = page.keys + slot * key_dim;
      ForVectors<F32>(key_dim, [&](std::int64_t d, auto vector) {
        const F32 even_key = vector.Load(keys + d, zero);
        const F32 odd_key = vector.Load(keys + key_dim + d, zero);
        ASHLAR_UNROLL
        for (int i = 0; i < kQueries; ++i) {
          const F32 q = vector.Load(queries[i].q + d, zero);
          even[i] = MulAdd(q, even_key, even[i]);
          odd[i] = MulAdd(q, odd_key, odd[i]);
        }
      });
      ASHLAR_UNROLL
      for (int i = 0; i < kQueries; ++i) {
        sums[i][slot] = SumLanes(even[i]);
        sums[i][slot + 1] = SumLanes(odd[i]);
      }
    }
    ASHLAR_UNROLL
    for (int i = 0; i < kQueries; ++i) {
      ASHLAR_UNROLL
      for (int j = 0; j < kPageVectors<F32>; ++j) {
        dot[i][j] = F32::Load(sums[i] + j * F32::kLanes);
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
