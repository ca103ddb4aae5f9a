// Scaled dot-product attention over pages of keys and values, causal, for rows of one sequence.
//
//   out[r, h] = sum_t softmax_t(s[r, h, t]) v[t, h / group]
//   s[r, h, t] = cap(scale * q[r, h] . k[t, h / group]) - slope[h] (p - t),  over visible t
//   cap(s) = soft_cap * tanh(s / soft_cap), or s when soft_cap is 0      (Gemma 2)
//   slope[h] of ALiBi (Press et al. 2022), or 0
// Row r stands at position p = first_position + r and sees positions t <= p, and t > p - window
// when window > 0. A sink (one logit per head, or none) joins the softmax's sum with no value.
//
// Pages. A page holds kPageLength positions of all key-value heads:
//   keys   k[kv_head][dim][kPageLength]    dims outermost, so that one register has one dim of
//                                          16 positions and a score needs no horizontal sum
//   values v[kv_head][kPageLength][dim]
// (k first, then v.) Where the shape is latent, of one key-value head:
//   latent k[kPageLength][dim]             v is its first dims
// Behind them, where the numbers of the KV format have scales: those of the keys,
// [kv_head][kPageLength], then those of the values (not where the shape is latent).
// Positions past the row's own are never read as numbers, though their bytes
// may be. The numbers are kept as the KV format says, rounded when they are stored; all arithmetic
// is on f32.
//
// Exactness. The softmax runs online over stretches of pages in absolute order: stretch by stretch,
// a row's running maximum, sum and accumulator are updated in a fixed order that depends on its
// position and window only; never on which rows, heads or chunks are computed together.
//
// Error. With u = 2^-24, n visible positions whose (capped) scores span a range of S, and
// E = (key_dim + 4) max_t sum_d |scale q[d] k[t, d]| + 8 soft_cap + 3 slope n + 2 |sink| the error
// of a score over u,
//   |out - exact| <= u (2 E + 3 S + 2 n + 34) sum_t softmax_t |v[t]|          (to first order)
// for the keys and values as stored, where 2 E and S are of the weights and their sum, 2 S of the
// rescaling as the maximum rises, and 2 n of the sums and the corrections of n / 64 stretches.
//
// Any alignment, fastest at 64 bytes; out must not overlap what is read. A call takes 280 KB of
// stack and no other memory.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ashlar/kernels/attention/attention_args.h"
#include "ashlar/kernels/isa.h"
#include "ashlar/tensor/kv_format.h"

namespace ashlar {

// Numbers in a page.
constexpr std::int64_t PageNumbers(const AttentionShape& shape) {
  return shape.kv_heads * kPageLength * (shape.key_dim + (shape.latent ? 0 : shape.value_dim));
}
constexpr std::int64_t PageBytes(const AttentionShape& shape, KvFormat format) {
  const std::int64_t vectors = shape.kv_heads * kPageLength * (shape.latent ? 1 : 2);
  return static_cast<std::int64_t>(KvBytes(format, PageNumbers(shape), vectors));
}
using AttentionFn = void (*)(const AttentionArgs& args) noexcept;

// Writes the key k [kv_heads, key_dim] and value v [kv_heads, value_dim] of one position into its
// page, at `slot` = position % kPageLength. Every form of a format writes the same bytes. Where the
// shape is latent, v is not read.
using StoreKeyValueFn = void (*)(const AttentionShape& shape, const float* k, const float* v,
                                 int slot, std::byte* page) noexcept;

struct AttentionForm {
  Isa isa;
  KvFormat kv_format;
  std::string_view name;
  AttentionFn fn;
  StoreKeyValueFn store;
};
// Those of a format, slowest first; [0] is the reference.
std::span<const AttentionForm> AttentionForms(KvFormat format);

}  // namespace ashlar
