// The forms of the linear kernel on the first levels of bitstack weights.
#pragma once

#include "ashlar/kernels/linear/linear.h"

namespace ashlar {

void LinearBitstackReference(const LinearArgs& args) noexcept;

inline constexpr LinearForm kLinearBitstackForms[] = {
    {Isa::kReference, "reference", LinearBitstackReference},
};

}  // namespace ashlar
