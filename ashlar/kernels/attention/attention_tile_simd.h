// What a tile of attention's queries does with one stretch of positions: scores, weights, values.
// (attention_simd.h has the order of the sums.)
#pragma once

#include <cstdint>

#include "ashlar/kernels/attention/attention_args.h"
#include "ashlar/kernels/attention/attention_pages_simd.h"
#include "ashlar/kernels/simd/for_vectors.h"
#include "ashlar/kernels/simd/math.h"

namespace ashlar::simd {

inline constexpr float kLog2E = 0x1.715476p+0F;

// The stretch that begins at `position`. Only its pages [begin_page, end_page) are there.
template <class Number>
struct Stretch {
  std::int64_t position;
  int begin_page, end_page;
  PagePart<Number> pages[kStretchPages];
};

// Of a tile's queries: what they have of each slot (q . k, then the score, then
// 2^(score - max), times the values' scales), what 2^(old max - new max) is, and the slots they
// see: at least one each.
template <class F32, int kQueries>
struct Tile {
  alignas(64) float slots[kQueries][kStretch];
  float correction[F32::kLanes];
  std::int64_t begin[kQueries];
  std::int64_t end[kQueries];
};

// The numbers of the slots of a page, from slot `first` on.
template <class F32>
F32 Slots(int first) {
  alignas(64) static constexpr float kSlots[kPageLength] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                            8, 9, 10, 11, 12, 13, 14, 15};
  return F32::Load(kSlots + first);
}

// `position` as a slot of the stretch that begins at `stretch`, or the nearer end. (A template,
// like all that is called here, so that each instruction set has its own.)
template <class F32>
std::int64_t ClampToSlot(std::int64_t position, std::int64_t stretch) {
  const std::int64_t slot = position - stretch;
  return slot < 0 ? 0 : slot > kStretch ? kStretch : slot;
}

// The pages [page, end): kPages at a time, then half as many, ...
template <class F32, class Pages, int kQueries, int kPages, class Number>
void DotPages(std::int64_t key_dim, const Stretch<Number>& stretch, int page, int end,
              const Query<F32>* queries, Tile<F32, kQueries>* tile) {
  for (; page + kPages <= end; page += kPages) {
    Pages::template Dot<kQueries, kPages>(key_dim, stretch.pages + page, queries,
                                          tile->slots[0] + page * kPageLength);
  }
  if constexpr (kPages > 1) {
    DotPages<F32, Pages, kQueries, kPages / 2>(key_dim, stretch, page, end, queries, tile);
  }
}

// Makes scores of what one query has of the slots, -infinity of those that it does not see, and
// returns the largest of them and of its maximum so far.
template <class F32, bool kScales, class Number>
float FinishScores(const AttentionShape& shape, const Stretch<Number>& stretch,
                   const Query<F32>& query, std::int64_t begin, std::int64_t end, float* slots) {
  constexpr int kPer = kPageVectors<F32>;
  const bool all = begin == 0 && end == kStretch;
  F32 largest = F32::Broadcast(query.max);
  if (all && !kScales && shape.soft_cap == 0 && query.slope == 0) {
    F32 score[kStretchPages * kPer];
    ASHLAR_UNROLL
    for (int j = 0; j < kStretchPages * kPer; ++j) {
      score[j] = F32::Load(slots + j * F32::kLanes);
    }
    ASHLAR_UNROLL
    for (int j = kStretchPages * kPer / 2; j > 0; j /= 2) {
      ASHLAR_UNROLL
      for (int i = 0; i < j; ++i) {
        score[i] = Max(score[i], score[i + j]);
      }
    }
    return MaxLanes(Max(largest, score[0]));
  }
  const F32 unseen = F32::Broadcast(-__builtin_inff());
  for (int page = 0; page < kStretchPages; ++page) {
    for (int j = 0; j < kPer; ++j) {
      const int first = page * kPageLength + j * F32::kLanes;
      if (first + F32::kLanes <= begin || end <= first) {
        unseen.Store(slots + first);
        continue;
      }
      F32 score = F32::Load(slots + first);
      if constexpr (kScales) {
        score = score * F32::Load(stretch.pages[page].key_scales + j * F32::kLanes);
      }
      if (shape.soft_cap != 0) {
        const F32 cap = F32::Broadcast(shape.soft_cap * kLog2E);
        score = cap * Tanh(score / cap);
      }
      if (query.slope != 0) {
        const auto distance_of_0 = static_cast<float>(query.end - 1 - stretch.position - first);
        score = NegMulAdd(F32::Broadcast(query.slope),
                          F32::Broadcast(distance_of_0) - Slots<F32>(0), score);
      }
      score = Select(F32::Lanes(begin - first, end - first), score, unseen);
      score.Store(slots + first);
      largest = Max(largest, score);
    }
  }
  return MaxLanes(largest);
}

// Makes weights of the scores, and moves the running maxima and sums on.
template <class F32, bool kScales, class Number, int kQueries>
void Weigh(const AttentionShape& shape, const Stretch<Number>& stretch, Query<F32>* queries,
           Tile<F32, kQueries>* tile) {
  static_assert(kQueries <= F32::kLanes, "the corrections of a tile are one vector");
  constexpr int kPer = kPageVectors<F32>;
  F32 change = F32::Zero();  // old max - new max, of query i in lane i
  ASHLAR_UNROLL
  for (int i = 0; i < kQueries; ++i) {
    const float old_max = queries[i].max;
    queries[i].max = FinishScores<F32, kScales>(shape, stretch, queries[i], tile->begin[i],
                                                tile->end[i], tile->slots[i]);
    change = Select(F32::Lanes(i, i + 1), F32::Broadcast(old_max - queries[i].max), change);
  }
  Exp2(change).Store(tile->correction);
  for (int i = 0; i < kQueries; ++i) {
    const F32 max = F32::Broadcast(queries[i].max);
    const F32 correction = F32::Broadcast(tile->correction[i]);
    float* const slots = tile->slots[i];
    ASHLAR_UNROLL
    for (int j = 0; j < kPer; ++j) {
      F32 weight[kStretchPages];
      ASHLAR_UNROLL
      for (int page = 0; page < kStretchPages; ++page) {
        float* const at = slots + page * kPageLength + j * F32::kLanes;
        weight[page] = Exp2(F32::Load(at) - max);
        F32 of_value = weight[page];
        if constexpr (kScales) {
          if (stretch.begin_page <= page && page < stretch.end_page) {
            of_value = of_value * F32::Load(stretch.pages[page].value_scales + j * F32::kLanes);
          }
        }
        of_value.Store(at);
      }
      queries[i].sums[j] =
          MulAdd(queries[i].sums[j], correction, (weight[0] + weight[1]) + (weight[2] + weight[3]));
    }
  }
}

// Moves out[d, d + kVectors * kLanes) of kQueries queries on by the slots [begin, end), through
// `vector` (ForVectors). weights: [kQueries, kStretch]. corrections: [kQueries].
template <class F32, int kQueries, int kVectors, class Number, class Vector>
void AddValuesAt(std::int64_t d, const Stretch<Number>& stretch, std::int64_t begin,
                 std::int64_t end, const Query<F32>* queries, const float* weights,
                 const float* corrections, Vector vector) {
  const F32 zero = F32::Zero();
  F32 out[kQueries][kVectors];
  ASHLAR_UNROLL
  for (int i = 0; i < kQueries; ++i) {
    const F32 correction = F32::Broadcast(corrections[i]);
    ASHLAR_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      out[i][j] = vector.Load(queries[i].values + d + j * F32::kLanes, zero) * correction;
    }
  }
  for (std::int64_t slot = begin; slot < end;) {
    const std::int64_t page_begin = slot / kPageLength * kPageLength;
    const std::int64_t page_end = page_begin + kPageLength < end ? page_begin + kPageLength : end;
    const PagePart<Number>& page = stretch.pages[slot / kPageLength];
    const std::int64_t stride = page.value_stride;
    const bool ask = page.next_values != nullptr;
    const std::int64_t offset = (slot - page_begin) * stride + d;
    const Number* values = page.values + offset;
    const Number* next = (ask ? page.next_values : page.values) + offset;
    for (; slot < page_end; ++slot, values += stride, next += stride) {
      F32 value[kVectors];
      ASHLAR_UNROLL
      for (int j = 0; j < kVectors; ++j) {
        value[j] = vector.Load(values + j * F32::kLanes, zero);
      }
      if (ask) {
        PrefetchVectors<F32, kVectors>(next);
      }
      ASHLAR_UNROLL
      for (int i = 0; i < kQueries; ++i) {
        const F32 weight = F32::Broadcast(weights[i * kStretch + slot]);
        ASHLAR_UNROLL
        for (int j = 0; j < kVectors; ++j) {
          out[i][j] = MulAdd(weight, value[j], out[i][j]);
        }
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
template <class F32, int kQueries, int kVectors, class Number>
void AddValues(std::int64_t d, std::int64_t value_dim, const Stretch<Number>& stretch,
               std::int64_t begin, std::int64_t end, const Query<F32>* queries,
               const float* weights, const float* corrections) {
  for (; d + kVectors * F32::kLanes <= value_dim; d += kVectors * F32::kLanes) {
    AddValuesAt<F32, kQueries, kVectors>(d, stretch, begin, end, queries, weights, corrections,
                                         WholeVector<F32>{});
  }
  if constexpr (kVectors > 1) {
    AddValues<F32, kQueries, kVectors / 2>(d, value_dim, stretch, begin, end, queries, weights,
                                           corrections);
  } else if (d < value_dim) {
    AddValuesAt<F32, kQueries, 1>(d, stretch, begin, end, queries, weights, corrections,
                                  PartOfVector<F32>{value_dim - d});
  }
}

// Queries [first, first + kQueries) of a tile: out <- correction out + the weighted values of the
// slots [begin, end); and a correction that has been made is 1.
template <class F32, int kQueries, class Number, int kTileQueries>
void AddSlots(std::int64_t value_dim, const Stretch<Number>& stretch, std::int64_t begin,
              std::int64_t end, const Query<F32>* queries, int first,
              Tile<F32, kTileQueries>* tile) {
  constexpr int kVectors = kPowerOfTwo<kAccumulators<F32> / kQueries>;
  AddValues<F32, kQueries, kVectors>(0, value_dim, stretch, begin, end, queries + first,
                                     tile->slots[first], tile->correction + first);
  for (int i = first; i < first + kQueries; ++i) {
    tile->correction[i] = 1;
  }
}

// Each query's values of the slots that it sees, in their order: those that all see together,
// those before and behind them (of rows at the edge of what is visible) one by one.
template <class F32, class Number, int kQueries>
void AddTile(std::int64_t value_dim, const Stretch<Number>& stretch, const Query<F32>* queries,
             Tile<F32, kQueries>* tile) {
  // (The queries ascend.)
  const std::int64_t begin = tile->begin[kQueries - 1];
  const std::int64_t end = tile->end[0];
  if (end <= begin) {
    for (int i = 0; i < kQueries; ++i) {
      AddSlots<F32, 1>(value_dim, stretch, tile->begin[i], tile->end[i], queries, i, tile);
    }
    return;
  }
  for (int i = 0; i < kQueries; ++i) {
    if (tile->begin[i] < begin) {
      AddSlots<F32, 1>(value_dim, stretch, tile->begin[i], begin, queries, i, tile);
    }
  }
  AddSlots<F32, kQueries>(value_dim, stretch, begin, end, queries, 0, tile);
  for (int i = 0; i < kQueries; ++i) {
    if (end < tile->end[i]) {
      AddSlots<F32, 1>(value_dim, stretch, end, tile->end[i], queries, i, tile);
    }
  }
}

// `count` queries, at most kQueries, in one stretch, of which each sees a slot.
template <class F32, class Pages, int kQueries, class Number>
void AttendTile(const AttentionShape& shape, const Stretch<Number>& stretch, Query<F32>* queries,
                int count) {
  if (count == kQueries) {
    Tile<F32, kQueries> tile;
    for (int i = 0; i < kQueries; ++i) {
      tile.begin[i] = ClampToSlot<F32>(queries[i].begin, stretch.position);
      tile.end[i] = ClampToSlot<F32>(queries[i].end, stretch.position);
    }
    DotPages<F32, Pages, kQueries, Pages::template kPagesAtOnce<kQueries>>(
        shape.key_dim, stretch, static_cast<int>(tile.begin[0] / kPageLength),
        static_cast<int>((tile.end[kQueries - 1] + kPageLength - 1) / kPageLength), queries, &tile);
    Weigh<F32, kScaled<typename Pages::Element>>(shape, stretch, queries, &tile);
    AddTile(shape.value_dim, stretch, queries, &tile);
  } else if constexpr (kQueries > 1) {
    AttendTile<F32, Pages, kQueries - 1>(shape, stretch, queries, count);
  }
}

}  // namespace ashlar::simd
