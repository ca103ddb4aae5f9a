// The forms of the linear kernel on q4 weights.
#pragma once

#include "ashlar/kernels/linear/linear.h"

namespace ashlar {

void LinearQ4Reference(const LinearArgs& args) noexcept;
namespace avx2 {
void LinearQ4(const LinearArgs& args) noexcept;
}
namespace avxvnni {
void LinearQ4(const LinearArgs& args) noexcept;
}
namespace avx512 {
void LinearQ4(const LinearArgs& args) noexcept;
}
namespace amx {
void LinearQ4(const LinearArgs& args) noexcept;
}

inline constexpr LinearForm kLinearQ4Forms[] = {
    {Isa::kReference, "reference", LinearQ4Reference},
    {Isa::kAvx2, "avx2", avx2::LinearQ4},
    {Isa::kAvxVnni, "avxvnni", avxvnni::LinearQ4},
    {Isa::kAvx512, "avx512", avx512::LinearQ4},
    {Isa::kAmx, "amx", amx::LinearQ4},
};

}  // namespace ashlar
