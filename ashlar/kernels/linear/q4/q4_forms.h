// The forms of the linear kernel on q4 weights.
#pragma once

#include "ashlar/kernels/linear/linear.h"

namespace ashlar {

void LinearQ4Reference(const LinearArgs& args) noexcept;

inline constexpr LinearForm kLinearQ4Forms[] = {
    {Isa::kReference, "reference", LinearQ4Reference},
};

}  // namespace ashlar
