// Rotary position embedding (Su et al. 2021, eq. 34), in place, for the heads of one row.
//
// Pair i of a head is (a, b) <- (a c[i] - b s[i],  b c[i] + a s[i]) for i in [0, rotary / 2), where
//   halves      a = x[i], b = x[i + rotary / 2]   (GPT-NeoX, and Llama checkpoints on Hugging Face)
//   neighbours  a = x[2 i], b = x[2 i + 1]        (the paper, GPT-J)
// Dimensions from `rotary` on are left alone. Error: at most 2 * 2^-24 (|a| + |b|).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ashlar/kernels/isa.h"

namespace ashlar {

// x: [heads, head_dim]; cos, sin: [rotary / 2] of this row's position. rotary is even.
using RopeFn = void (*)(float* x, std::int64_t heads, std::int64_t head_dim, std::int64_t rotary,
                        const float* cos, const float* sin) noexcept;

struct RopeForm {
  Isa isa;
  std::string_view name;
  RopeFn fn;  // halves
  RopeFn neighbours;
};
std::span<const RopeForm> RopeForms();  // slowest first; [0] is the reference

}  // namespace ashlar
