// What a call of an attention kernel is given. (Apart from attention.h, so that the files compiled
// for one instruction set see plain data only.)
#pragma once

#include <cstddef>
#include <cstdint>

namespace ashlar {

inline constexpr int kPageLength = 16;             // positions in a page
inline constexpr std::int64_t kMaxHeadDim = 4096;  // of key_dim and value_dim

struct AttentionShape {
  std::int64_t heads;     // query heads
  std::int64_t kv_heads;  // heads % kv_heads == 0
  std::int64_t key_dim;
  std::int64_t value_dim;
  float scale;
  float soft_cap;       // 0: none
  std::int64_t window;  // 0: all positions back to 0
  // A position has a key only, and its first value_dim numbers are the value: kv_heads is 1 and
  // value_dim <= key_dim.
  bool latent = false;
};

struct AttentionArgs {
  AttentionShape shape;
  const float* q;                 // q[r * q_stride + h * key_dim + d], already rotated
  std::int64_t q_stride;          // floats
  float* out;                     // out[r * out_stride + h * value_dim + d]
  std::int64_t out_stride;        // floats
  const std::byte* const* pages;  // pages[t / kPageLength] for every visible position t
  const float* sinks;             // [heads], or null
  const float* slopes;            // [heads], or null: how fast scores fall with the distance
  std::int64_t first_position;    // of row 0
  std::int64_t rows;              // at positions first_position, first_position + 1, ...
  std::int64_t kv_begin, kv_end;  // the key-value heads (with their query heads) of this call
};

}  // namespace ashlar
