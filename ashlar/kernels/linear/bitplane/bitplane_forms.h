// The forms of the linear kernel on the first planes of bitplane weights.
#pragma once

#include "ashlar/kernels/linear/linear.h"

namespace ashlar {

void LinearBitplaneReference(const LinearArgs& args) noexcept;

inline constexpr LinearForm kLinearBitplaneForms[] = {
    {Isa::kReference, "reference", LinearBitplaneReference},
};

}  // namespace ashlar
