// The forms of the linear kernel on q8 weights.
#pragma once

#include "ashlar/kernels/linear/linear.h"

namespace ashlar {

void LinearQ8Reference(const LinearArgs& args) noexcept;
namespace avx2 {
void LinearQ8(const LinearArgs& args) noexcept;
}
namespace avxvnni {
void LinearQ8(const LinearArgs& args) noexcept;
}
namespace avx512 {
void LinearQ8(const LinearArgs& args) noexcept;
}
namespace amx {
void LinearQ8(const LinearArgs& args) noexcept;
}

inline constexpr LinearForm kLinearQ8Forms[] = {
    {Isa::kReference, "reference", LinearQ8Reference},
    {Isa::kAvx2, "avx2", avx2::LinearQ8},
    {Isa::kAvxVnni, "avxvnni", avxvnni::LinearQ8},
    {Isa::kAvx512, "avx512", avx512::LinearQ8},
    {Isa::kAmx, "amx", amx::LinearQ8},
};

}  // namespace ashlar
