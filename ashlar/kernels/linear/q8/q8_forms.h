// The forms of the linear kernel on q8 weights.
#pragma once

#include "ashlar/kernels/linear/linear.h"

namespace ashlar {

void LinearQ8Reference(const LinearArgs& args) noexcept;

inline constexpr LinearForm kLinearQ8Forms[] = {
    {Isa::kReference, "reference", LinearQ8Reference},
};

}  // namespace ashlar
