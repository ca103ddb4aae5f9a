// Rotary position embedding (Su et al. 2021, eq. 34), in place, for the heads of one row.
//
// Half-split pairing (as GPT-NeoX and Llama checkpoints on Hugging Face): with h = rotary / 2,
//   (x[i], x[i + h]) <- (x[i] c[i] - x[i + h] s[i],  x[i + h] c[i] + x[i] s[i])   for i in [0, h)
// Dimensions from `rotary` on are left alone. Error: at most 2 * 2^-24 (|x[i]| + |x[i + h]|).
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
  RopeFn fn;
};
std::span<const RopeForm> RopeForms();  // slowest first; [0] is the reference

}  // namespace ashlar
