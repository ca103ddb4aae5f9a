// The body of the vector forms of attention.
//
// A *query* is one row of one head. The queries that share a key-value head are taken kBlock at a
// time through all their positions, so that a page is read from memory once per block: stretch by
// stretch (of four pages), and within a stretch in tiles, whose products share each load of a key
// or value (attention_tile_simd.h).
//
// Order, for one query: stretch by stretch, in absolute order, from a multiple of its length on,
//   scores       per slot, a sum over d in an order that the layout of the page fixes
//                (attention_pages_simd.h), of q already times the scale; then the key's scale,
//                soft cap, distance
//   max          of the running maximum and the stretch's visible scores
//   correction   c = 2^(old max - new max)
//   weights      2^(score - max), 0 for what is not visible
//   sums[slot]   = c sums[slot] + ((w0 + w1) + (w2 + w3))   one running sum per slot of a page, of
//                the stretch's four pages
//   out[d]       = (c out[d]) + sum over visible slots, from the first, of weight v[d]
// and at the end out[d] / (tree over sums). Nothing here depends on the tile or block that the
// query fell into. Slots that the query does not see take no part in any sum of values, as 0 v
// would still be NaN for some v. Scores are in units of ln 2: q, soft caps, slopes and sinks are
// multiplied by log2(e) first, and exp becomes 2^x.
//
// Queries and accumulators of a block are copied together. In place, rows of q and out lie a
// multiple of 4 KB apart, as the two arrays often do from each other: the processor then takes a
// load of q for a reload of what was just stored to out, and waits (measured: a third slower).
//
// A page's numbers are of type Element, widened to f32 as they are loaded. Where several tiles read
// them they are widened once, into the block's own memory: a tile of six would spend a quarter of
// its time on it. Where numbers have scales, those are applied to scores and weights, sixteen at a
// time, and not to the numbers.
#pragma once

#include <cstdint>

#include "ashlar/kernels/attention/attention_args.h"
#include "ashlar/kernels/attention/attention_pages_simd.h"
#include "ashlar/kernels/attention/attention_tile_simd.h"
#include "ashlar/kernels/simd/for_vectors.h"

namespace ashlar::simd {

// A block's queries, and the floats of its copies of q and of values each (64 KB): 32 rows of 4
// heads that share keys, at head dimensions up to 128; from there on the block gets smaller.
inline constexpr int kBlock = 128;
inline constexpr std::int64_t kBlockFloats = std::int64_t{16} << 10;
static_assert(kMaxHeadDim <= kBlockFloats, "a block holds at least one query");

// Floats of a stretch that is widened (128 KB); of one that takes more, each tile widens what it
// loads.
inline constexpr std::int64_t kWideFloats = std::int64_t{32} << 10;

// The memory of a block's numbers.
struct BlockMemory {
  alignas(64) float q[kBlockFloats];
  alignas(64) float values[kBlockFloats];
  alignas(64) float wide[kWideFloats];
};

// The pages [begin_page, end_page) of the stretch at `position`; each asks for the page a stretch
// later, if that is below `page_count`.
template <class F32, class Pages>
Stretch<typename Pages::Element> FindStretch(const AttentionArgs& args, std::int64_t kv_head,
                                             std::int64_t position, int begin_page, int end_page,
                                             std::int64_t page_count) {
  Stretch<typename Pages::Element> stretch;
  stretch.position = position;
  stretch.begin_page = begin_page;
  stretch.end_page = end_page;
  for (int i = begin_page; i < end_page; ++i) {
    const std::int64_t page = position / kPageLength + i;
    stretch.pages[i] = Pages::Whole(args.shape, args.pages[page], kv_head);
  }
  const std::int64_t next_page = position / kPageLength + kStretchPages;
  if (next_page < page_count) {
    for (int i = begin_page; i < end_page; ++i) {
      const std::int64_t page = next_page + i < page_count ? next_page + i : page_count - 1;
      const PagePart<typename Pages::Element> next =
          Pages::Whole(args.shape, args.pages[page], kv_head);
      stretch.pages[i].next_keys = next.keys;
      stretch.pages[i].next_values = next.values;
    }
  }
  return stretch;
}

// `count` queries, in tiles of sizes as equal as can be; the first asks for what comes next.
template <class F32, class Pages, class Number>
void AttendStretch(const AttentionShape& shape, Stretch<Number>* stretch, Query<F32>* queries,
                   std::int64_t count) {
  while (count > 0) {
    const std::int64_t tiles = (count + kTile - 1) / kTile;
    const std::int64_t tile = (count + tiles - 1) / tiles;
    AttendTile<F32, Pages, kTile>(shape, *stretch, queries, static_cast<int>(tile));
    queries += tile;
    count -= tile;
    for (PagePart<Number>& page : stretch->pages) {
      page.next_keys = nullptr;
      page.next_values = nullptr;
    }
  }
}

// The same, of numbers that are widened first where that is worth it.
template <class F32, class Pages>
void WidenAndAttend(const AttentionShape& shape, Stretch<typename Pages::Element>* stretch,
                    Query<F32>* queries, std::int64_t count, float* wide) {
  const std::int64_t floats = Pages::WideFloats(shape);
  if (sizeof(typename Pages::Element) == sizeof(float) || count <= kTile ||
      floats > kWideFloats / kStretchPages) {
    AttendStretch<F32, Pages>(shape, stretch, queries, count);
    return;
  }
  Stretch<float> widened;
  widened.position = stretch->position;
  widened.begin_page = stretch->begin_page;
  widened.end_page = stretch->end_page;
  for (int i = stretch->begin_page; i < stretch->end_page; ++i) {
    widened.pages[i] = Pages::Widen(shape, stretch->pages[i], wide + i * floats);
  }
  AttendStretch<F32, Pages>(shape, &widened, queries, count);
}

// All positions, for a block of queries of one key-value head. The queries ascend in position.
template <class F32, class Pages>
void AttendBlock(const AttentionArgs& args, std::int64_t kv_head, Query<F32>* queries,
                 std::int64_t count, float* wide) {
  const std::int64_t end = queries[count - 1].end;
  std::int64_t first = 0;  // the queries [first, last) see the stretch
  std::int64_t last = 0;
  for (std::int64_t position = queries[0].begin / kStretch * kStretch; position < end;
       position += kStretch) {
    while (queries[first].end <= position) {
      ++first;
    }
    while (last < count && queries[last].begin < position + kStretch) {
      ++last;
    }
    const std::int64_t begin_slot = ClampToSlot<F32>(queries[first].begin, position);
    const std::int64_t end_slot = ClampToSlot<F32>(queries[last - 1].end, position);
    Stretch<typename Pages::Element> stretch =
        FindStretch<F32, Pages>(args, kv_head, position, static_cast<int>(begin_slot / kPageLength),
                                static_cast<int>((end_slot + kPageLength - 1) / kPageLength),
                                (end + kPageLength - 1) / kPageLength);
    WidenAndAttend<F32, Pages>(args.shape, &stretch, queries + first, last - first, wide);
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
  const F32 scale = F32::Broadcast(shape.scale * kLog2E);
  const float* source = args.q + row * args.q_stride + head * shape.key_dim;
  ForVectors<F32>(shape.key_dim, [=](std::int64_t d, auto vector) {
    vector.Store(vector.Load(source + d, zero) * scale, q + d);
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
  query.slope = args.slopes == nullptr ? 0 : args.slopes[head] * kLog2E;
  for (int j = 0; j < kPageVectors<F32>; ++j) {
    query.sums[j] = zero;
  }
  if (args.sinks != nullptr) {  // 2^(sink - max) = 1, counted in the first slot
    query.max = args.sinks[head] * kLog2E;
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
  BlockMemory memory;
  Query<F32> queries[kBlock];
  for (std::int64_t kv_head = args.kv_begin; kv_head < args.kv_end; ++kv_head) {
    for (std::int64_t first = 0; first < all; first += block) {
      const std::int64_t count = all - first < block ? all - first : block;
      for (std::int64_t i = 0; i < count; ++i) {
        queries[i] = Begin<F32>(args, kv_head, first + i, memory.q + i * shape.key_dim,
                                memory.values + i * shape.value_dim);
      }
      AttendBlock<F32, Pages>(args, kv_head, queries, count, memory.wide);
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
