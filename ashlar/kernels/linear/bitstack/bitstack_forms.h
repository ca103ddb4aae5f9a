// The forms of the linear kernel on the first levels of bitstack weights.
#pragma once

#include "ashlar/kernels/linear/linear.h"

namespace ashlar {

void LinearBitstackReference(const LinearArgs& args) noexcept;
namespace avx2 {
void LinearBitstack(const LinearArgs& args) noexcept;
}
namespace avx512 {
void LinearBitstack(const LinearArgs& args) noexcept;
}

inline constexpr LinearForm kLinearBitstackForms[] = {
    {Isa::kReference, "reference", LinearBitstackReference},
    {Isa::kAvx2, "avx2", avx2::LinearBitstack},
    {Isa::kAvx512, "avx512", avx512::LinearBitstack},
};

}  // namespace ashlar
