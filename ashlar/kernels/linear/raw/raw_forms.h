// The forms of the linear kernels on raw f32, f16 and bf16 weights.
#pragma once

#include "ashlar/kernels/linear/linear.h"

namespace ashlar {

void LinearF32Reference(const LinearArgs& args) noexcept;
void LinearF16Reference(const LinearArgs& args) noexcept;
void LinearBF16Reference(const LinearArgs& args) noexcept;

inline constexpr LinearForm kLinearF32Forms[] = {
    {Isa::kReference, "reference", LinearF32Reference},
};
inline constexpr LinearForm kLinearF16Forms[] = {
    {Isa::kReference, "reference", LinearF16Reference},
};
inline constexpr LinearForm kLinearBF16Forms[] = {
    {Isa::kReference, "reference", LinearBF16Reference},
};

}  // namespace ashlar
