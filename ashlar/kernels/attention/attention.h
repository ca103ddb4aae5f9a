// Scaled dot-product attention over pages of keys and values, causal, for rows of one sequence.
//
//   out[r, h] = sum_t softmax_t(s[r, h, t]) v[t, h / group]
//   s[r, h, t] = cap(scale * q[r, h] . k[t, h / group]),  over visible t
//   cap(s) = soft_cap * tanh(s / soft_cap), or s when soft_cap is 0      (Gemma 2)
// Row r stands at position p = first_position + r and sees positions t <= p, and t > p - window
// when window > 0. A sink (one logit per head, or none) joins the softmax's sum with no value.
//
// Pages. A page holds kPageLength positions of all key-value heads:
//   keys   k[kv_head][dim][kPageLength]    dims outermost, so that one register has one dim of
//                                          16 positions and a score needs no horizontal sum
//   values v[kv_head][kPageLength][dim]
// (f32; k first, then v.) Positions past the row's own are never read as numbers, though their
// bytes may be.
//
// Exactness. The softmax runs online over pages in absolute order: page by page, a row's running
// maximum, sum and accumulator are updated in a fixed order that depends on its position and
// window only; never on which rows, heads or chunks are computed together.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ashlar/kernels/isa.h"

namespace ashlar {

inline constexpr int kPageLength = 16;  // positions in a page

struct AttentionShape {
  std::int64_t heads;       // query heads
  std::int64_t kv_heads;    // heads % kv_heads == 0
  std::int64_t key_dim;
  std::int64_t value_dim;
  float scale;
  float soft_cap;           // 0: none
  std::int64_t window;      // 0: all positions back to 0
};

struct AttentionArgs {
  AttentionShape shape;
  const float* q;               // q[r * q_stride + h * key_dim + d], already rotated
  std::int64_t q_stride;        // floats
  float* out;                   // out[r * out_stride + h * value_dim + d]
  std::int64_t out_stride;      // floats
  const float* const* pages;    // pages[t / kPageLength] for every visible position t
  const float* sinks;           // [heads], or null
  std::int64_t first_position;  // of row 0
  std::int64_t rows;            // at positions first_position, first_position + 1, ...
  std::int64_t kv_begin, kv_end;  // the key-value heads (with their query heads) of this call
};

// Floats in a page, and where its values begin.
constexpr std::int64_t PageFloats(const AttentionShape& shape) {
  return shape.kv_heads * kPageLength * (shape.key_dim + shape.value_dim);
}
constexpr std::int64_t PageValueOffset(const AttentionShape& shape) {
  return shape.kv_heads * kPageLength * shape.key_dim;
}

// Writes the key k [kv_heads, key_dim] and value v [kv_heads, value_dim] of one position into its
// page, at `slot` = position % kPageLength.
void StoreKeyValue(const AttentionShape& shape, const float* k, const float* v, int slot,
                   float* page);

using AttentionFn = void (*)(const AttentionArgs& args) noexcept;

struct AttentionForm {
  Isa isa;
  std::string_view name;
  AttentionFn fn;
};
std::span<const AttentionForm> AttentionForms();  // slowest first; [0] is the reference

}  // namespace ashlar
