// A matrix that a Hugging Face checkpoint has in FP8 with a scale for each block of rows x columns.
// Of the tensor NAME,
//
//     NAME            F8_E4M3 [outputs, inputs]                   codes: a sign, 4 bits of
//     exponent,
//                                                                 3 of fraction; no infinity
//     NAME_scale_inv  F32 or BF16 [outputs / rows, inputs / columns], both rounded up
//
// a number is its code's value times the scale of its block, in f32 (as DeepSeek-V3's own tools
// have it, which write it down in bf16).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ashlar/formats/recipe.h"
#include "ashlar/formats/safetensors.h"

namespace ashlar::internal {

inline constexpr std::string_view kFp8DType = "F8_E4M3";

std::string Fp8ScalesName(std::string_view tensor);

// Views: the checkpoint outlives it.
struct Fp8Source {
  const SafetensorsEntry* codes;
  const SafetensorsEntry* scales;
  Fp8Blocks blocks;

  // All numbers in bf16, rounded to nearest, ties to even: [outputs, inputs].
  std::vector<std::byte> ToBF16() const;
};

// kInvalid when the shapes do not fit each other; kUnsupported for scales of another type.
Result<Fp8Source> FindFp8(const SafetensorsEntry& codes, const SafetensorsEntry& scales,
                          const Fp8Blocks& blocks);

}  // namespace ashlar::internal
