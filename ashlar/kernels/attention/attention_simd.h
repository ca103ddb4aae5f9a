// The body of the vector forms of attention.
//
// A *query* is one row of one head. The queries that share a key-value head are taken kBlock at a
// time through all their pages, so that a page is read from memory once per block; within a page
// they are taken in tiles, whose dot products share each load of a key or value.
//
// Order, for one query: page by page,
//   scores       per slot, a sum over d in an order that the layout of the page fixes
//                (attention_pages_simd.h); then scale, then soft cap, then distance
//   max          of the running maximum and the page's visible scores
//   correction   c = exp(old max - new max)
//   sums[slot]   = c sums[slot] + exp(score - max)          one running sum per slot of a page
//   out[d]       = (c out[d]) + sum over visible slots, from the first, of exp(...) v[d]
// and at the end out[d] / (tree over sums). Nothing here depends on the tile or block that the
// query fell into. Slots that the query does not see take no part in any sum, as 0 v would still
// be NaN for some v.
//
// Queries and accumulators of a block are copied together. In place, rows of q and out lie a
// multiple of 4 KB apart, as the two arrays often do from each other: the processor then takes a
// load of q for a reload of what was just stored to out, and waits (measured: a third slower).
//
// A page's numbers are of type Element, widened to f32 as they are loaded: halves cost one more
// instruction per load, which the queries of a tile share, and move half the bytes. Where numbers
// have scales, those are applied to scores and weights, sixteen at a time, and not to the numbers.
#pragma once

#include <cstdint>

#include "ashlar/kernels/attention/attention_args.h"
#include "ashlar/kernels/attention/attention_pages_simd.h"
#include "ashlar/kernels/simd/for_vectors.h"
#include "ashlar/kernels/simd/math.h"

namespace ashlar::simd {

// A block's queries, and the floats of its copies of q and of values each (64 KB). At head
// dimensions up to 128 the copies stay in L1 beside a page; from 1024 on the block gets smaller.
inline constexpr int kBlock = 16;
inline constexpr std::int64_t kBlockFloats = std::int64_t{16} << 10;
static_assert(kMaxHeadDim <= kBlockFloats, "a block holds at least one query");

// What exp(score - max) of a tile is in one page, times the values' scales, and what
// exp(old max - new max) is.
template <class F32, int kQueries>
struct Weights {
  float of_slot[kQueries][kPageLength];
  float correction[F32::kLanes];
};

// Moves the running maxima and sums on by one page.
template <class F32, class Element, int kQueries>
void Weigh(const F32 (&scores)[kQueries][kPageVectors<F32>], const PagePart<Element>& page,
           Query<F32>* queries, Weights<F32, kQueries>* weights) {
  static_assert(kQueries <= F32::kLanes, "the corrections of a tile are one vector");
  constexpr int kVectors = kPageVectors<F32>;
  F32 change = F32::Zero();  // old max - new max, of query i in lane i
  ASHLAR_UNROLL
  for (int i = 0; i < kQueries; ++i) {
    const F32 old_max = F32::Broadcast(queries[i].max);
    F32 largest = old_max;
    ASHLAR_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      largest = Max(largest, scores[i][j]);
    }
    queries[i].max = MaxLanes(largest);
    change = Select(F32::Lanes(i, i + 1), old_max - F32::Broadcast(queries[i].max), change);
  }
  Exp(change).Store(weights->correction);
  for (int i = 0; i < kQueries; ++i) {
    const F32 correction = F32::Broadcast(weights->correction[i]);
    for (int j = 0; j < kVectors; ++j) {
      const F32 weight = Exp(scores[i][j] - F32::Broadcast(queries[i].max));
      queries[i].sums[j] = MulAdd(queries[i].sums[j], correction, weight);
      F32 of_value = weight;
      if constexpr (kScaled<Element>) {
        of_value = weight * F32::Load(page.value_scales + j * F32::kLanes);
      }
      of_value.Store(weights->of_slot[i] + j * F32::kLanes);
    }
  }
}

// Moves out[d, d + kVectors * kLanes) of a tile on by one page, through `vector` (ForVectors).
template <class F32, class Element, int kQueries, int kVectors, class Vector>
void AddValuesAt(std::int64_t d, const PagePart<Element>& page, const Query<F32>* queries,
                 const Weights<F32, kQueries>& weights, Vector vector) {
  const F32 zero = F32::Zero();
  F32 out[kQueries][kVectors];
  ASHLAR_UNROLL
  for (int i = 0; i < kQueries; ++i) {
    const F32 correction = F32::Broadcast(weights.correction[i]);
    ASHLAR_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      out[i][j] = vector.Load(queries[i].values + d + j * F32::kLanes, zero) * correction;
    }
  }
  for (std::int64_t slot = page.begin; slot < page.end; ++slot) {
    F32 value[kVectors];
    ASHLAR_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      value[j] = vector.Load(page.values + slot * page.value_stride + d + j * F32::kLanes, zero);
    }
    ASHLAR_UNROLL
    for (int i = 0; i < kQueries; ++i) {
      const F32 weight = F32::Broadcast(weights.of_slot[i][slot]);
      ASHLAR_UNROLL
      for (int j = 0; j < kVectors; ++j) {
        out[i][j] = MulAdd(weight, value[j], out[i][j]);
      }
    }
  }
  ASHLAR_UNROLL
  for (int i = 0; i < kQueries; ++i) {
    ASHLAR_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      vector.Store(out[i][j], queries[i].values + d + j * F32::kLanes);
    }
  }
}

// The dims from `d` on: kVectors at a time, then half as many, ..., then the tail.
template <class F32, class Element, int kQueries, int kVectors>
void AddValues(std::int64_t d, std::int64_t value_dim, const PagePart<Element>& page,
               const Query<F32>* queries, const Weights<F32, kQueries>& weights) {
  for (; d + kVectors * F32::kLanes <= value_dim; d += kVectors * F32::kLanes) {
    AddValuesAt<F32, Element, kQueries, kVectors>(d, page, queries, weights, WholeVector<F32>{});
  }
  if constexpr (kVectors > 1) {
    AddValues<F32, Element, kQueries, kVectors / 2>(d, value_dim, page, queries, weights);
  } else if (d < value_dim) {
    AddValuesAt<F32, Element, kQueries, 1>(d, page, queries, weights,
                                           PartOfVector<F32>{value_dim - d});
  }
}

// `count` queries, at most kQueries, in one page.
template <class F32, class Pages, int kQueries>
void AttendTile(const AttentionShape& shape, const PagePart<typename Pages::Element>& page,
                Query<F32>* queries, int count) {
  if (count == kQueries) {
    // Half the registers accumulate; the others hold values and broadcast weights.
    constexpr int kAccumulators = F32::kRegisters / 2;
    constexpr int kVectors = kAccumulators / kQueries < 8 ? kAccumulators / kQueries : 8;
    F32 scores[kQueries][kPageVectors<F32>];
    Weights<F32, kQueries> weights;
    Pages::template Dot<kQueries>(shape.key_dim, page, queries, scores);
    FinishScores<F32, typename Pages::Element, kQueries>(shape, page, queries, scores);
    Weigh<F32, typename Pages::Element, kQueries>(scores, page, queries, &weights);
    AddValues<F32, typename Pages::Element, kQueries, kVectors>(0, shape.value_dim, page, queries,
                                                                weights);
  } else if constexpr (kQueries > 1) {
    AttendTile<F32, Pages, kQueries - 1>(shape, page, queries, count);
  }
}

// `position` as a slot of the page that begins at `page_begin`, or the nearer end. (A template,
// like all that is called here, so that each instruction set has its own.)
template <class F32>
std::int64_t ClampToSlot(std::int64_t position, std::int64_t page_begin) {
  const std::int64_t slot = position - page_begin;
  return slot < 0 ? 0 : slot > kPageLength ? kPageLength : slot;
}

// All pages, for a block of queries of one key-value head. The queries ascend in position.
template <class F32, class Pages>
void AttendBlock(const AttentionArgs& args, std::int64_t kv_head, Query<F32>* queries,
                 std::int64_t count) {
  const AttentionShape& shape = args.shape;
  const std::int64_t first_page = queries[0].begin / kPageLength;
  const std::int64_t last_page = (queries[count - 1].end - 1) / kPageLength;
  for (std::int64_t p = first_page; p <= last_page; ++p) {
    const std::int64_t page_begin = p * kPageLength;
    if (p < last_page) {
      // 4 KB pieces are too short for the processor to find the next one by itself. (Decoding with
      // 2048 positions in memory: 6.4 GB/s without, 8.2 with; a plain read gives 9 to 11.)
      Pages::Prefetch(shape, args.pages[p + 1], kv_head);
    }
    for (std::int64_t i = 0; i < count;) {
      PagePart<typename Pages::Element> page = Pages::Whole(shape, args.pages[p], kv_head);
      page.begin = ClampToSlot<F32>(queries[i].begin, page_begin);
      page.end = ClampToSlot<F32>(queries[i].end, page_begin);
      page.position = page_begin;
      // The tile: as many of the next queries as see the same slots.
      int tile = 1;
      while (tile < kTile<F32> && i + tile < count &&
             ClampToSlot<F32>(queries[i + tile].begin, page_begin) == page.begin &&
             ClampToSlot<F32>(queries[i + tile].end, page_begin) == page.end) {
        ++tile;
      }
      if (page.begin < page.end) {
        AttendTile<F32, Pages, kTile<F32>>(shape, page, queries + i, tile);
      }
      i += tile;
    }
  }
}

// Query `index` of the call for one key-value head (row by row, head by head), before its first
// page. q: [key_dim] and values: [value_dim] are its places in the block's copies.
template <class F32>
Query<F32> Begin(const AttentionArgs& args, std::int64_t kv_head, std::int64_t index, float* q,
                 float* values) {
  const AttentionShape& shape = args.shape;
  const F32 zero = F32::Zero();
  const std::int64_t group = shape.heads / shape.kv_heads;
  const std::int64_t row = index / group;
  const std::int64_t head = kv_head * group + index % group;
  const float* source = args.q + row * args.q_stride + head * shape.key_dim;
  ForVectors<F32>(shape.key_dim, [=](std::int64_t d, auto vector) {
    vector.Store(vector.Load(source + d, zero), q + d);
  });
  ForVectors<F32>(shape.value_dim,
                  [=](std::int64_t d, auto vector) { vector.Store(zero, values + d); });

  const std::int64_t position = args.first_position + row;
  const bool windowed = shape.window > 0 && shape.window <= position;
  Query<F32> query;
  query.q = q;
  query.values = values;
  query.out = args.out + row * args.out_stride + head * shape.value_dim;
  query.begin = windowed ? position - shape.window + 1 : 0;
  query.end = position + 1;
  query.max = -__builtin_inff();
  query.slope = args.slopes == nullptr ? 0 : args.slopes[head];
  for (int j = 0; j < kPageVectors<F32>; ++j) {
    query.sums[j] = zero;
  }
  if (args.sinks != nullptr) {  // exp(sink - max) = 1, counted in the first slot
    query.max = args.sinks[head];
    query.sums[0] = Select(F32::Lanes(0, 1), F32::Broadcast(1), zero);
  }
  return query;
}

// out = values / the sum of the sums.
template <class F32>
void Finish(const Query<F32>& query, std::int64_t value_dim) {
  F32 sums = query.sums[0];
  for (int j = 1; j < kPageVectors<F32>; ++j) {
    sums = sums + query.sums[j];
  }
  const F32 scale = F32::Broadcast(1) / F32::Broadcast(SumLanes(sums));
  const float* values = query.values;
  float* out = query.out;
  ForVectors<F32>(value_dim, [=](std::int64_t d, auto vector) {
    vector.Store(vector.Load(values + d, scale) * scale, out + d);
  });
}

template <class F32, class Pages>
void AttendPages(const AttentionArgs& args) {
  const AttentionShape& shape = args.shape;
  const std::int64_t dim = shape.key_dim > shape.value_dim ? shape.key_dim : shape.value_dim;
  const std::int64_t block = kBlockFloats / dim < kBlock ? kBlockFloats / dim : kBlock;
  const std::int64_t all = args.rows * (shape.heads / shape.kv_heads);
  alignas(64) float q[kBlockFloats];
  alignas(64) float values[kBlockFloats];
  Query<F32> queries[kBlock];
  for (std::int64_t kv_head = args.kv_begin; kv_head < args.kv_end; ++kv_head) {
    for (std::int64_t first = 0; first < all; first += block) {
      const std::int64_t count = all - first < block ? all - first : block;
      for (std::int64_t i = 0; i < count; ++i) {
        queries[i] = Begin<F32>(args, kv_head, first + i, q + i * shape.key_dim,
                                values + i * shape.value_dim);
      }
      AttendBlock<F32, Pages>(args, kv_head, queries, count);
      for (std::int64_t i = 0; i < count; ++i) {
        Finish<F32>(queries[i], shape.value_dim);
      }
    }
  }
}

template <class F32, class Element>
void Attention(const AttentionArgs& args) {
  if (args.shape.latent) {
    AttendPages<F32, LatentPages<F32, Element>>(args);
  } else {
    AttendPages<F32, KeyValuePages<F32, Element>>(args);
  }
}

template <class F32, class Element>
void StoreKeyValue(const AttentionShape& shape, const float* k, const float* v, int slot,
                   std::byte* page) {
  if (shape.latent) {
    LatentPages<F32, Element>::Store(shape, k, slot, page);
  } else {
    KeyValuePages<F32, Element>::Store(shape, k, v, slot, page);
  }
}

}  // namespace ashlar::simd
