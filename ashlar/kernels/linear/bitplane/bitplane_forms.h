// The forms of the linear kernel on the first planes of bitplane weights.
#pragma once

#include "ashlar/kernels/linear/linear.h"

namespace ashlar {

void LinearBitplaneReference(const LinearArgs& args) noexcept;
namespace avx2 {
void LinearBitplane(const LinearArgs& args) noexcept;
}
namespace avxvnni {
void LinearBitplane(const LinearArgs& args) noexcept;
}
namespace avx512 {
void LinearBitplane(const LinearArgs& args) noexcept;
}
namespace amx {
void LinearBitplane(const LinearArgs& args) noexcept;
}

inline constexpr LinearForm kLinearBitplaneForms[] = {
    {Isa::kReference, "reference", LinearBitplaneReference},
    {Isa::kAvx2, "avx2", avx2::LinearBitplane},
    {Isa::kAvxVnni, "avxvnni", avxvnni::LinearBitplane},
    {Isa::kAvx512, "avx512", avx512::LinearBitplane},
    {Isa::kAmx, "amx", amx::LinearBitplane},
};

}  // namespace ashlar
